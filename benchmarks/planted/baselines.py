"""Other methods on the same embeddings, probabilities and labels: short versions of published ones.

Each returns at most `MOST` groups of images, the one it trusts most first: bool (groups, N). Arguments are
`embeddings`, float (N, features), `probabilities`, float (N, classes), `labels`, int64 (N,), and a `seed`.
Settings are the authors' unless said otherwise. None of them holds images back: all use the whole test part.
"""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.special import logsumexp
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import TSNE
from sklearn.mixture import GaussianMixture

MOST = 10  # hypotheses a method has, as in Plumb et al., TMLR 2023
Method = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]


def planespot(embeddings: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """PlaneSpot (Plumb et al., TMLR 2023): Gaussian mixture in two dimensions and the label's probability.

    The map is scvis' there, a network that learns what t-SNE draws; here it is t-SNE itself (van der Maaten &
    Hinton, 2008) on 50 principal components. As in the authors' code: the probability weighs 0.025, 10 to 32
    components by BIC, ranked by errors times error rate, where an image's error is what its label's
    probability lacks to 1.
    """
    plane = TSNE(init="pca", random_state=seed, n_jobs=1).fit_transform(_reduced(embeddings, 50, seed))
    plane = (plane - plane.min(0)) / np.ptp(plane, axis=0)
    sure = probabilities[np.arange(len(labels)), labels]
    points = np.column_stack([plane, 0.025 * sure])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixtures = [
            GaussianMixture(components, random_state=seed).fit(points) for components in range(10, 33)
        ]
    best = min(mixtures, key=lambda mixture: mixture.bic(points))
    return _ranked(best.predict(points), 1 - sure)


def domino(embeddings: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """Domino (Eyuboglu et al., ICLR 2022): a mixture of embeddings, labels and predictions.

    25 components with diagonal covariances on 128 principal components, begun by the cells of the confusion
    matrix, at most 100 steps; labels and predictions weigh 10 (the paper's; 1 is the default of its code).
    Ranked by how far predictions are from labels.
    """
    components, weight, noise = 25, 10.0, 1e-3
    points = _reduced(embeddings, 128, seed)
    actual = np.eye(probabilities.shape[1])[labels]
    cells = (actual[:, :, None] * probabilities[:, None, :]).reshape(len(labels), -1)
    share = np.tile(cells, -(-components // cells.shape[1]))[:, :components] + 1e-12
    share = share / share.sum(1, keepdims=True)
    share = share + noise * np.random.default_rng(seed).random(share.shape)
    share = share / share.sum(1, keepdims=True)
    bound = -np.inf
    for _ in range(100):
        sizes = share.sum(0) + 1e-12
        means = share.T @ points / sizes[:, None]
        variances = np.maximum(share.T @ points**2 / sizes[:, None] - means**2, 0) + 1e-6
        of_labels, of_answers = (share.T @ of / sizes[:, None] for of in (actual, probabilities))
        logs = -0.5 * (
            points**2 @ (1 / variances).T
            - 2 * points @ (means / variances).T
            + (means**2 / variances + np.log(2 * np.pi * variances)).sum(1)
        )
        logs += np.log(sizes / len(points))
        for of, chances in ((actual, of_labels), (probabilities, of_answers)):
            logs += weight * np.log(of @ chances.T + 1e-12)
        total = logsumexp(logs, axis=1)
        share = np.exp(logs - total[:, None])
        if abs(total.mean() - bound) < 1e-3:
            break
        bound = total.mean()
    order = np.argsort(-np.abs(of_answers - of_labels).max(1), kind="stable")[:MOST]
    return share.argmax(1) == order[:, None]


def spotlight(embeddings: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """The Spotlight (d'Eon et al., FAccT 2022): the ball with the highest mean loss, ten times.

    The weight of an image falls with its distance from the center as a Gaussian of one width does; all
    weights together are at least 2 % of the images, by a barrier. 1,000 steps of Adam at a rate of 0.01
    (not lowered, as it is there where nothing is gained: that ends the search early on data this small); each
    next ball on losses less what the last one has lit. The embeddings are reduced to 50 principal components
    (an option of the authors' code) to save time. Inside are images with half the highest weight.
    """
    points = torch.from_numpy(_reduced(embeddings, 50, seed)).float()
    losses = torch.from_numpy(-np.log(probabilities[np.arange(len(labels)), labels] + 1e-12)).float()
    least = 0.02 * len(points)
    groups = []
    for _ in range(MOST):
        center = torch.zeros(points.shape[1], requires_grad=True)
        log_precision = torch.tensor(np.log(1e-4), dtype=torch.float32, requires_grad=True)
        optimizer = torch.optim.Adam([center, log_precision], lr=0.01)
        for barrier in np.geomspace(len(points) - least, 0.05 * least, 1000):
            optimizer.zero_grad()
            weights = torch.exp(-0.5 * log_precision.exp() * ((points - center) ** 2).sum(1))
            missing = torch.clamp(least + float(barrier) - weights.sum(), min=0) / float(barrier)
            negative = -(weights @ losses) / weights.sum() + missing**2
            negative.backward()
            optimizer.step()
        with torch.no_grad():
            weights = torch.exp(-0.5 * log_precision.exp() * ((points - center) ** 2).sum(1))
            weights = weights / weights.max()
            groups.append((weights > 0.5).numpy())
            losses = losses * (1 - weights)
    return np.array(groups)


def confusion_cells(
    embeddings: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, seed: int
) -> np.ndarray:
    """The wrong cells of the confusion matrix with most images."""
    answers = probabilities.argmax(1)
    cells = np.where(answers == labels, -1, labels * probabilities.shape[1] + answers)
    numbers, sizes = np.unique(cells[cells >= 0], return_counts=True)
    return cells == numbers[np.argsort(-sizes, kind="stable")][:MOST, None]


def k_means(embeddings: np.ndarray, probabilities: np.ndarray, labels: np.ndarray, seed: int) -> np.ndarray:
    """25 clusters of 50 principal components, as many as Domino has, ranked as PlaneSpot's."""
    clusters = KMeans(25, n_init=3, random_state=seed).fit_predict(_reduced(embeddings, 50, seed))
    return _ranked(clusters, (probabilities.argmax(1) != labels).astype(float))


METHODS: Mapping[str, Method] = {
    "PlaneSpot": planespot,
    "Domino": domino,
    "Spotlight": spotlight,
    "confusion cells": confusion_cells,
    "k-means": k_means,
}


def _ranked(clusters: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Clusters by the sum of their errors times the mean, the highest first."""
    numbers = np.unique(clusters)
    members = clusters == numbers[:, None]
    importance = [errors[inside].sum() * errors[inside].mean() for inside in members]
    return members[np.argsort(importance, kind="stable")[::-1][:MOST]]


def _reduced(embeddings: np.ndarray, components: int, seed: int) -> np.ndarray:
    """Principal components, float64 (N, components), or fewer where there are fewer."""
    points = np.asarray(embeddings, np.float64)
    return PCA(min(components, *points.shape), random_state=seed).fit_transform(points)
