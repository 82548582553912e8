"""Groups of images that the model represents alike: nodes of a tree, and the rules that fit them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.linalg import eigh

from src.blindspots.rules import Rules
from src.blindspots.search import (
    LARGEST_SHARE,
    MAX_CANDIDATES,
    Candidate,
    Half,
    log_likelihood,
    raised,
    scan_statistic,
    strata_of,
)

COMPONENTS = 32  # principal components kept
MAX_IMAGES = 5_000  # in a tree: the distances of all pairs are 100 MB, and are copied once
OVERLAP = 0.5  # of the smaller one of two nodes; beyond, the worse one is dropped
FIT = 0.5  # F1 of the rule that describes a node; below, nothing describes it


@dataclass(frozen=True)
class Node:
    """A node of a tree.

    Attributes:
        members: positions in the half, int.
        actual: the class of the tree; None: over all.
        score: penalized log-likelihood ratio.
    """

    members: np.ndarray
    actual: int | None
    score: float


def candidates_of(embeddings: np.ndarray, rules: Rules, half: Half) -> Iterator[Candidate]:
    """Rules that describe nodes with more errors than the rest.

    An embedding decides its prediction. So a node of wrong images can always be found, even where wrong
    labels are the only errors: it holds what looks like another class. That is why a node is only a proposal.
    It is described by the rule that fits it best, and the rule, which knows nothing of predictions, is what
    is tested. Nothing here sees the other half, or its errors would shape the rule through the nodes.

    Args:
        embeddings: (N, features) of all test images.
        rules: of them.
        half: whose images are used.
    """
    for node in _best(_nodes(principal_components(embeddings[half.rows]), half)):
        if (candidate := describe(node, rules, half)) is not None:
            yield candidate


def principal_components(embeddings: np.ndarray) -> np.ndarray:
    """float64 (n, up to `COMPONENTS`) of (n, features), each feature standardized first."""
    values = np.nan_to_num(embeddings.astype(np.float64), posinf=0, neginf=0)
    deviation = values.std(0)
    varied = deviation > 1e-9 * max(float(np.abs(values).max(initial=0)), 1e-30)
    values = (values[:, varied] - values[:, varied].mean(0)) / deviation[varied]
    features = values.shape[1]
    if features <= COMPONENTS:
        return values
    _, vectors = eigh(values.T @ values, subset_by_index=(features - COMPONENTS, features - 1))
    return values @ vectors


def describe(node: Node, rules: Rules, half: Half) -> Candidate | None:
    """The rule whose images are most nearly the node's, by F1; None where even that one fits badly."""
    inside = np.zeros(len(half.rows), bool)
    inside[node.members] = True
    # A node over all classes may hold one class almost alone.
    counts = np.bincount(half.labels[inside], minlength=half.classes)
    found: list[tuple[float, Candidate]] = []
    for actual in {node.actual, int(counts.argmax())}:
        scope = np.ones(len(half.rows), bool) if actual is None else half.labels == actual
        common = rules.counts(half.rows[inside & scope])
        sizes = rules.counts(half.rows[scope])
        wrong = rules.counts(half.rows[scope & half.wrong])
        fit = 2 * common / np.maximum(sizes + inside.sum(), 1)
        fit[sizes < half.smallest] = 0
        fit[~raised(wrong, sizes, int(half.wrong[scope].sum()), int(scope.sum()))] = 0
        best = int(fit.argmax()) if len(fit) else 0
        if len(fit) and fit[best] >= FIT:
            found.append((float(fit[best]), Candidate(best, actual, node.score)))
    return max(found, key=lambda row: row[0])[1] if found else None


def _nodes(points: np.ndarray, half: Half) -> list[Node]:
    """Nodes with more errors than the rest, of each class's tree and of the one over all; best first."""
    if not points.shape[1]:
        return []
    sizes = np.bincount(half.labels, minlength=half.classes)
    large = np.flatnonzero(sizes * LARGEST_SHARE >= half.smallest).tolist()
    within = [_Tree.grow(points, np.flatnonzero(half.labels == actual), actual) for actual in large]
    over_all = [_Tree.grow(points, np.arange(len(points)), None)]
    found = [*_raised_nodes(within, half), *_raised_nodes(over_all, half)]
    return sorted(found, key=lambda node: -node.score)


@dataclass(frozen=True)
class _Tree:
    """A Ward tree (Ward, 1963). Nodes are numbered from the leaves on.

    Attributes:
        rows: positions in the half of its leaves, int (m,).
        children: int (m - 1, 2), of each node that is no leaf.
        actual: the leaves' class, None for all.
    """

    rows: np.ndarray
    children: np.ndarray
    actual: int | None

    @classmethod
    def grow(cls, points: np.ndarray, rows: np.ndarray, actual: int | None) -> "_Tree":
        if len(rows) > MAX_IMAGES:  # evenly; their order has no meaning
            rows = rows[np.linspace(0, len(rows) - 1, MAX_IMAGES).astype(int)]
        return cls(rows, linkage(points[rows], "ward")[:, :2].astype(int), actual)

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Over the leaves below each node: (2 m - 1, S) of (m, S)."""
        sums = np.concatenate([values, np.zeros((len(self.children), values.shape[1]))])
        for number, (one, other) in enumerate(self.children, len(self.rows)):
            sums[number] = sums[one] + sums[other]
        return sums

    def leaves(self, node: int) -> np.ndarray:
        """Positions in the half of the leaves below a node."""
        found, waiting = [], [node]
        while waiting:
            number = waiting.pop()
            if number < len(self.rows):
                found.append(number)
            else:
                waiting += self.children[number - len(self.rows)].tolist()
        return self.rows[found]


def _raised_nodes(trees: list[_Tree], half: Half) -> list[Node]:
    """Those of some trees that are worth the penalty for how many nodes there are."""
    strata = strata_of(half)
    scores: list[tuple[float, int, _Tree]] = []
    tried = 0
    for tree in trees:
        _, codes = np.unique(strata[tree.rows], return_inverse=True)
        leaves = np.eye(int(codes.max()) + 1)[codes]
        counts, wrongs = tree.sums(leaves), tree.sums(leaves * half.wrong[tree.rows, None])
        count, wrong = counts.sum(1), wrongs.sum(1)
        enough = (count >= half.smallest) & (count <= LARGEST_SHARE * len(tree.rows))
        tried += int(enough.sum())
        nodes = np.flatnonzero(enough & raised(wrong, count, wrong[-1], count[-1]))
        # The last node is the root: all images.
        outside = log_likelihood(wrongs[-1] - wrongs[nodes], counts[-1] - counts[nodes]).sum(1)
        ratios = scan_statistic((wrong[nodes], count[nodes]), outside, (wrongs[-1], counts[-1]))
        scores += [(score, node, tree) for score, node in zip(ratios.tolist(), nodes.tolist(), strict=True)]
    penalty = float(np.log(max(tried, 1)))
    return [
        Node(tree.leaves(node), tree.actual, score - penalty)
        for score, node, tree in scores
        if score > penalty
    ]


def _best(nodes: list[Node]) -> list[Node]:
    """The best nodes of which none is part of another or nearly so."""
    chosen: list[Node] = []
    for node in nodes:
        apart = all(
            len(np.intersect1d(node.members, other.members, True))
            <= OVERLAP * min(len(node.members), len(other.members))
            for other in chosen
        )
        if apart:
            chosen.append(node)
        if len(chosen) == MAX_CANDIDATES:
            break
    return chosen
