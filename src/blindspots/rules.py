"""Rules: conjunctions of conditions on attributes, and how many images meet each of all there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from src.blindspots.words import SEPARATOR, say

Condition = tuple[str, str]
LONGEST = 3  # conditions a rule
MAX_SHARE = 0.95  # of the images; what nearly all of them have is no condition
MAX_CONDITIONS = 250  # those of most images count; every one more costs time


@dataclass(frozen=True)
class Rule:
    """Images of an actual class, or of any, that meet all conditions.

    Attributes:
        conditions: attribute and word, of different attributes; several words with `|` between them are
            alternatives.
        actual: a class's name; None stands for every class.
    """

    conditions: tuple[Condition, ...]
    actual: str | None

    def members(self, attributes: pd.DataFrame, actual: np.ndarray, classes: Sequence[str]) -> np.ndarray:
        """bool (N,): which images the rule is about.

        Args:
            attributes: a row an image, a column an attribute with its word; all of the rule's are needed.
            actual: codes of the images' classes, int (N,).
            classes: the classes' names.
        """
        chosen = np.ones(len(attributes), bool)
        if self.actual is not None:
            chosen &= np.asarray(actual) == list(classes).index(self.actual)
        for attribute, words in self.conditions:
            chosen &= holds(attributes[attribute], words)
        return chosen

    def sentence(self) -> str:
        """`dog: the picture is dark and the model looks at the left`."""
        clauses = [say(*condition) for condition in self.conditions]
        text = " and ".join(filter(None, (", ".join(clauses[:-1]), clauses[-1])))
        return f"{'any class' if self.actual is None else self.actual}: {text}"


def holds(words: pd.Series, condition: str) -> np.ndarray:
    """bool (N,): where an attribute has the condition's word, or one of them."""
    return words.isin([condition, *condition.split(SEPARATOR)]).to_numpy(bool)


@dataclass(frozen=True)
class Rules:
    """All conjunctions of up to `LONGEST` conditions that enough images meet; of all classes.

    Attributes:
        conditions: (L,), one rule each.
        table: float32 (N, L), 1 where an image meets a condition.
        pairs: int (P, 2), triples: int (T, 3), positions of conditions in ascending order. The rules are the
            conditions, then the pairs, then the triples.
    """

    conditions: tuple[Condition, ...]
    table: np.ndarray
    pairs: np.ndarray
    triples: np.ndarray

    def __len__(self) -> int:
        return len(self.conditions) + len(self.pairs) + len(self.triples)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Conditions of each rule."""
        return np.repeat([1, 2, 3], [len(self.conditions), len(self.pairs), len(self.triples)])

    @cached_property
    def _starts(self) -> np.ndarray:
        return np.searchsorted(self.triples[:, 0], np.arange(len(self.conditions) + 1))

    def conditions_of(self, number: int) -> tuple[Condition, ...]:
        return tuple(self.conditions[place] for place in self.places_of(number))

    def places_of(self, number: int) -> tuple[int, ...]:
        singles, pairs = len(self.conditions), len(self.pairs)
        if number < singles:
            return (number,)
        if number < singles + pairs:
            return tuple(self.pairs[number - singles].tolist())
        return tuple(self.triples[number - singles - pairs].tolist())

    def members(self, number: int) -> np.ndarray:
        """bool (N,): which images meet the rule's conditions."""
        return np.asarray(self.table[:, self.places_of(number)].all(1))

    def counts(self, rows: np.ndarray) -> np.ndarray:
        """How many of some images meet each rule: float32, whole numbers, one a rule.

        A pair is met by as many as the product of two columns has ones; a triple by as many as a pair is
        among those that meet its first condition.
        """
        part = self.table[rows]
        singles = part.sum(0)
        pairs = (part.T @ part)[self.pairs[:, 0], self.pairs[:, 1]]
        triples = np.zeros(len(self.triples), np.float32)
        for first in np.flatnonzero(np.diff(self._starts)):
            block = slice(self._starts[first], self._starts[first + 1])
            inside = part[part[:, first] > 0, first + 1 :]
            second, third = self.triples[block, 1:].T - first - 1
            triples[block] = (inside.T @ inside)[second, third]
        return np.concatenate([singles, pairs, triples])


def enumerate_rules(attributes: pd.DataFrame, rows: np.ndarray, smallest: int) -> Rules:
    """All rules that at least `smallest` of the images in `rows` meet.

    Args:
        attributes: Categorical columns, or text, a row an image.
        rows: positions of the images that count.
        smallest: at least 1.
    """
    conditions = _conditions(attributes, rows, smallest)
    columns = [holds(attributes[name], words) for name, words in conditions]
    table = np.stack(columns, 1).astype(np.float32) if columns else np.zeros((len(attributes), 0), np.float32)
    known = {name: number for number, name in enumerate(attributes)}
    owner = np.array([known[name] for name, _ in conditions], int)
    part = table[rows]
    together = part.T @ part
    enough = (together >= smallest) & (owner[:, None] != owner[None, :])
    pairs = np.argwhere(np.triu(enough, 1))
    triples = [np.zeros((0, 3), int)]
    for first in range(len(conditions)):
        inside = part[part[:, first] > 0]
        others = enough[first] & (np.arange(len(conditions)) > first)
        both = np.triu((inside.T @ inside >= smallest) & enough & others[:, None] & others[None, :], 1)
        found = np.argwhere(both)
        triples.append(np.column_stack([np.full(len(found), first), found]))
    return Rules(tuple(conditions), table, pairs, np.concatenate(triples))


def _conditions(attributes: pd.DataFrame, rows: np.ndarray, smallest: int) -> list[Condition]:
    """What is neither too rare nor met by nearly all; ordered by attribute."""
    found: list[tuple[int, Condition]] = []
    seen: set[bytes] = set()
    for name in attributes:
        column = attributes[name].iloc[rows]
        for words in _alternatives(column):
            met = holds(column, words)
            if smallest <= met.sum() <= MAX_SHARE * len(rows) and met.tobytes() not in seen:
                seen.add(met.tobytes())
                found.append((int(met.sum()), (str(name), words)))
    if len(found) > MAX_CONDITIONS:
        limit = sorted((count for count, _ in found), reverse=True)[MAX_CONDITIONS - 1]
        found = [row for row in found if row[0] >= limit][:MAX_CONDITIONS]
    return [condition for _, condition in found]


def _alternatives(column: pd.Series) -> list[str]:
    """The words of an attribute, and where they have an order also those that begin or end it, together."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return sorted(map(str, column.dropna().unique()))
    words = [str(word) for word in column.cat.categories]
    if not column.cat.ordered:
        return words
    half = len(words) // 2
    if len(words) <= 5:  # groups: each alone, and everything on one side of a limit
        single, lengths = words, range(2, len(words))
    else:  # shares: only how far from one end
        single, lengths = [words[0], words[-1]], range(2, half + 1)
    low = [SEPARATOR.join(words[:length]) for length in lengths]
    high = [SEPARATOR.join(words[::-1][:length]) for length in lengths]
    return [*single, *low, *high]
