from math import log

import numpy as np
import pandas as pd
import pytest

from src.blindspots.rules import Rule, enumerate_rules
from src.blindspots.search import Half, Search, log_likelihood, raised, scan_statistic, strata_of
from src.blindspots.tree import Node, candidates_of, describe, principal_components
from tests.blindspots.test_findings import drawn


def test_the_scan_statistic_by_hand():
    # Within one class: 8 of 10 wrong inside, 5 of 90 outside, 13 of 100 together.
    inside = 8 * log(0.8) + 2 * log(0.2)
    outside = 5 * log(5 / 90) + 85 * log(85 / 90)
    together = 13 * log(0.13) + 87 * log(0.87)
    found = scan_statistic(
        (np.array([8.0]), np.array([10.0])),
        log_likelihood(np.array([5.0]), np.array([90.0])),
        (np.array([13.0]), np.array([100.0])),
    )
    assert found == pytest.approx([inside + outside - together])


def test_no_errors_have_no_likelihood_to_lose():
    assert log_likelihood(np.array([0, 5, 0]), np.array([7, 5, 0])).tolist() == [0, 0, 0]


def test_what_is_raised():
    wrong, count = np.array([12.0, 12, 4, 30]), np.array([20.0, 40, 40, 40])
    # Of 100 images 30 are wrong: 60 % against 22 %; too many; no more than the rest; too many.
    assert raised(wrong, count, 30, 100).tolist() == [True, False, False, False]


def table_of(images=300, seed=0):
    generator = np.random.default_rng(seed)
    ordered = pd.Categorical(generator.choice(list("abc"), images), list("abc"), ordered=True)
    columns = {
        "x": ordered,
        "y": generator.choice(["u", "v"], images),
        "z": generator.choice(["p", "q"], images),
    }
    return pd.DataFrame(columns)


def test_counts_are_those_of_the_rules_one_by_one():
    table = table_of()
    rows = np.arange(0, 300, 2)
    rules = enumerate_rules(table, rows, 5)
    assert {words for name, words in rules.conditions if name == "x"} == {"a", "b", "c", "a|b", "c|b"}
    counts = rules.counts(rows)
    for number in range(len(rules)):
        rule = Rule(rules.conditions_of(number), None)
        members = rule.members(table, np.zeros(300, int), ["one"])
        assert (members == rules.members(number)).all()
        assert counts[number] == members[rows].sum() >= 5
        assert len({name for name, _ in rule.conditions}) == len(rule.conditions) == rules.lengths[number]
    # Every combination that is large enough is there: 5 + 2 + 2 conditions, then pairs, then triples.
    assert len(rules) == 9 + (10 + 10 + 4) + 20


def half_of(labels, wrong, classes):
    return Half(np.arange(len(labels)), labels, wrong, classes)


def test_the_best_rule_comes_first_and_its_images_are_set_aside():
    table, _, labels, right, _ = drawn(0, 3000)
    spot = ((table["size"] == "small") & (table.time == "day") & (labels == 0)).to_numpy()
    wrong = ~right | (spot & (np.random.default_rng(1).random(3000) < 0.5))
    rules = enumerate_rules(table, np.arange(3000), 15)
    search = Search(rules, half_of(labels, wrong, 3))
    found = list(search.candidates())
    names = [(set(rules.conditions_of(candidate.number)), candidate.actual) for candidate in found[:2]]
    assert ({("light", "dark"), ("color", "red")}, None) in names
    assert ({("size", "small"), ("time", "day")}, 0) in names
    assert found[0].score > found[1].score
    assert all(not (search.left & search.members(candidate)).any() for candidate in found)


def test_many_classes_are_grouped_by_how_hard_they_are():
    labels = np.repeat(np.arange(100), 20)
    wrong = np.arange(20).repeat(100).reshape(20, 100).T.ravel() < labels / 10
    strata = strata_of(half_of(labels, wrong, 100))
    assert len(np.unique(strata)) == 20
    assert (np.diff(strata) >= 0).all()
    # The order of classes has no meaning: still one stratum for all of a class.
    assert len(np.unique(np.stack([labels, strata]), axis=1).T) == 100
    assert (
        list(
            Search(
                enumerate_rules(table_of(2000), np.arange(2000), 10), half_of(labels, wrong, 100)
            ).candidates()
        )
        == []
    )


def test_a_node_is_described_by_the_rule_that_fits():
    table, _, labels, right, _ = drawn(3, 2000)
    rules = enumerate_rules(table, np.arange(2000), 10)
    half = half_of(labels, ~right, 3)
    spot = ((table.light == "dark") & (table.color == "red")).to_numpy()
    noisy = spot & (np.arange(2000) % 10 > 0)
    candidate = describe(Node(np.flatnonzero(noisy), None, 1.0), rules, half)
    assert set(rules.conditions_of(candidate.number)) == {("light", "dark"), ("color", "red")}
    assert candidate.actual is None
    # Images that have nothing in common are described by nothing.
    assert describe(Node(np.arange(0, 2000, 20), None, 1.0), rules, half) is None


def test_groups_come_from_the_tree():
    table, embeddings, labels, right, _ = drawn(4, 1000)
    spot = ((table.light == "dark") & (table.color == "red")).to_numpy()
    embeddings[spot] += 6
    rules = enumerate_rules(table, np.arange(1000), 10)
    found = list(candidates_of(embeddings, rules, half_of(labels, ~right, 3)))
    assert {("light", "dark"), ("color", "red")} in [set(rules.conditions_of(one.number)) for one in found]


def test_principal_components():
    generator = np.random.default_rng(0)
    points = generator.normal(size=(100, 3)) @ generator.normal(size=(3, 50))
    found = principal_components(np.column_stack([points, np.ones(100)]))
    assert found.shape == (100, 32)
    assert np.allclose(np.sort(found.var(0))[:-3], 0, atol=1e-9)
    # Standardized first: 50 features of variance 1.
    assert found.var(0).sum() == pytest.approx(50)
    assert principal_components(np.ones((10, 4))).shape == (10, 0)
