"""Words for measured numbers: "dark", "left", "small". Their limits come from images, never from errors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from src.blindspots.colors import COLORS

# An attribute's lowest, middle and highest words, and how a sentence says them.
SCALES = {
    "brightness": ("dark", "half-bright", "bright", "the picture is {}"),
    "contrast": ("low", "medium", "high", "the contrast is {}"),
    "saturation": ("pale", "half-saturated", "vivid", "the colors are {}"),
    "sharpness": ("blurred", "half-sharp", "sharp", "the picture is {}"),
    "texture": ("smooth", "half-detailed", "detailed", "the picture is {}"),
    "border": ("plain", "half-plain", "busy", "the border of the picture is {}"),
    "blank part": ("small", "medium", "large", "the blank part is {}"),
    "object": ("nothing", "little", "something", "{} stands out from the frame"),
    "object size": ("small", "medium-sized", "large", "what stands out is {}"),
    "object contrast": ("faint", "half-faint", "distinct", "what stands out is {}"),
    "object texture": ("smooth", "half-smooth", "textured", "what stands out is {}"),
    "focus size": ("small", "medium-sized", "large", "the model looks at a {} part"),
    "focus contrast": ("faint", "half-faint", "distinct", "what the model looks at is {}"),
}
# Words in an absolute sense: limits between them, which a gap in the values nearby may move.
PLACES = {
    "object x": ((0.4, 0.6), ("left", "center", "right"), "what stands out is at the {}"),
    "object y": ((0.4, 0.6), ("top", "middle", "bottom"), "what stands out is at the {}"),
    "focus x": ((0.4, 0.6), ("left", "center", "right"), "the model looks at the {}"),
    "focus y": ((0.4, 0.6), ("top", "middle", "bottom"), "the model looks at the {}"),
    "aspect": ((0.9, 1.1), ("upright", "square", "wide"), "the original picture is {}"),
}
HUES = {
    "background color": "the background is {}",
    "object color": "what stands out is {}",
    "focus color": "the model looks at something {}",
}
MARKS = {
    f"{corner} corner": f"{{}} in the {corner} corner"
    for corner in ("top-left", "top-right", "bottom-left", "bottom-right")
}
UNMARKED, MARKED = "no mark is", "the same mark as in other pictures is"
PHRASES = {
    **{name: phrase for name, (*_, phrase) in SCALES.items()},
    **{name: phrase for name, (_, _, phrase) in PLACES.items()},
    **HUES,
    **MARKS,
}
NUMBERS = ("low", "medium", "high")  # words of the user's own numbers

SHARES = (0.05, 0.15, 1 / 3, 2 / 3, 0.85, 0.95)  # of the images below each limit, where there are no gaps
MAX_VALUES = 20  # of a column of the user's, to be said as they are
MAX_DISTINCT = 5  # numbers of which each is a value
GROUPS = 5  # that gaps may divide numbers into
GAP = 0.35  # density in a gap, relative to the lower one of the peaks around it
MIN_SHARE = 0.03  # of the images on either side of a gap
BINS = 64
SEPARATOR = "|"  # between words of which a condition allows each


@dataclass(frozen=True)
class Scale:
    """Ordered words for numbers.

    Attributes:
        limits: increasing; a number equal to a limit belongs below it.
        words: one more than limits, from the lowest to the highest.
    """

    limits: tuple[float, ...]
    words: tuple[str, ...]

    def of(self, values: pd.Series) -> pd.Categorical:
        numbers = values.to_numpy(float)
        codes = np.digitize(numbers, self.limits, right=True)
        return pd.Categorical.from_codes(np.where(np.isfinite(numbers), codes, -1), self.words, ordered=True)


@dataclass(frozen=True)
class Names:
    """Words without an order; a number is a position among them, other values are words themselves."""

    words: tuple[str, ...]

    def of(self, values: pd.Series) -> pd.Categorical:
        if pd.api.types.is_float_dtype(values) and self.words == COLORS:
            return pd.Categorical.from_codes(values.fillna(-1).to_numpy(int), self.words)
        texts = [_text(value) for value in values]
        return pd.Categorical([text if text in self.words else None for text in texts], categories=self.words)


@dataclass(frozen=True)
class Words:
    """How every attribute is said.

    Attributes:
        measured: by attribute, for `src.blindspots.attributes`' numbers.
        metadata: by column, for the user's own.
    """

    measured: dict[str, Scale | Names]
    metadata: dict[str, Scale | Names]

    @classmethod
    def fit(cls, numbers: pd.DataFrame, metadata: pd.DataFrame | None = None) -> "Words":
        """Choose limits, from the test images alone and without knowing which are wrong.

        Where an attribute's numbers fall into groups with gaps between them, each group has a word. Otherwise
        the lowest and highest 5 %, 15 % and third of the images have.

        Args:
            numbers: a row an image, a float column an attribute, as `attributes.measure` returns them.
            metadata: the user's own columns, any type, a row an image.
        """
        measured = {name: _fit_measured(name, numbers[name]) for name in numbers}
        own = {} if metadata is None else {str(name): _fit_own(metadata[name]) for name in metadata}
        return cls(
            {name: scale for name, scale in measured.items() if scale},
            {name: scale for name, scale in own.items() if scale},
        )

    def of(self, numbers: pd.DataFrame, metadata: pd.DataFrame | None = None) -> pd.DataFrame:
        """The words of these images, or others: a Categorical column an attribute, NaN where there is none.

        A column of the user's that has an attribute's name gets `(yours)` behind it.
        """
        columns = {name: scale.of(numbers[name]) for name, scale in self.measured.items()}
        for name, scale in self.metadata.items():
            assert metadata is not None
            columns[f"{name} (yours)" if name in PHRASES else name] = scale.of(metadata[name])
        return pd.DataFrame(columns, index=numbers.index)


def say(attribute: str, words: str) -> str:
    """A clause for a condition: "the picture is dark or very dark".

    Args:
        attribute: a name.
        words: one, or several with `SEPARATOR` between them, of which each will do.
    """
    several = words.split(SEPARATOR)
    if len({word.split()[-1] for word in several}) == 1:
        several = several[::-1]  # from the end of a scale; the mildest first
    if len(several) > 2 and several[0].startswith("rather "):
        text = f"at least {several[0]}"
    else:
        text = " or ".join(filter(None, (", ".join(several[:-1]), several[-1])))
    return PHRASES.get(attribute, f"{attribute} is {{}}").format(text)


def levels(low: str, middle: str, high: str, count: int) -> tuple[str, ...]:
    """Ordered words for so many groups, or the seven of `SHARES`."""
    very = (f"very {low}", low), (high, f"very {high}")
    return {
        2: (low, high),
        3: (low, middle, high),
        4: (*very[0], *very[1]),
        5: (*very[0], middle, *very[1]),
        7: (*very[0], f"rather {low}", middle, f"rather {high}", *very[1]),
    }[count]


def gaps(values: np.ndarray) -> list[float]:
    """Limits in the gaps between groups of numbers; none where they form one group.

    A histogram is divided where its density falls furthest below the peaks on both sides, then each part
    again.
    """
    low, high = np.quantile(values, [0.005, 0.995])
    if not high > low:
        return []
    edges = np.linspace(low, high, BINS + 1)
    counts = np.histogram(np.clip(values, low, high), edges)[0]
    density = gaussian_filter1d(counts.astype(float), 1.2, mode="constant")
    limits: list[int] = []
    parts = [(0, BINS)]
    while parts and len(limits) < GROUPS - 1:
        start, end = parts.pop(0)
        if (place := _deepest(density, counts, start, end)) is not None:
            limits.append(place)
            parts += [(start, place), (place, end)]
    return [float((edges[place] + edges[place + 1]) / 2) for place in sorted(limits)]


def _deepest(density: np.ndarray, counts: np.ndarray, start: int, end: int) -> int | None:
    """The bin of the deepest gap between two bins; the middle one where several are equally deep."""
    if end - start < 3:
        return None
    part = density[start:end]
    left, right = np.maximum.accumulate(part), np.maximum.accumulate(part[::-1])[::-1]
    depth = part / np.maximum(np.minimum(left, right), 1e-12)
    below = np.cumsum(counts[start:end]) / counts.sum()
    depth[(below < MIN_SHARE) | (below[-1] - below < MIN_SHARE)] = 1
    if depth.min() > GAP:
        return None
    return start + int(np.median(np.flatnonzero(depth <= depth.min() + 1e-3)))


def _fit_measured(name: str, values: pd.Series) -> Scale | Names | None:
    known = values.to_numpy(float)
    known = known[np.isfinite(known)]
    if not len(known):
        return None
    if name in HUES:
        return Names(COLORS)
    if name in MARKS:
        return Scale((0.5,), (UNMARKED, MARKED)) if (known > 0.5).any() else None
    if name in PLACES:
        limits, words, _ = PLACES[name]
        found = gaps(known)
        if len(found) == 2 and found[0] < 0.5 < found[1] and name != "aspect":
            return Scale(tuple(found), words)
        return Scale(limits, words)
    return _fit_scale(known, SCALES[name][:3])


def _fit_scale(known: np.ndarray, words: Sequence[str]) -> Scale:
    low, middle, high = words
    distinct = np.unique(known)
    if 1 < len(distinct) <= MAX_DISTINCT:
        return Scale(tuple((distinct[1:] + distinct[:-1]) / 2), levels(low, middle, high, len(distinct)))
    limits = gaps(known) or np.quantile(known, SHARES).tolist()
    return Scale(tuple(limits), levels(low, middle, high, len(limits) + 1))


def _fit_own(values: pd.Series) -> Scale | Names | None:
    """Text of few values as it is, numbers cut; None where a column has nothing to tell."""
    distinct = values.dropna().unique()
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if len(distinct) < 2 or (not number and len(distinct) > MAX_VALUES):
        return None
    if number and len(distinct) > MAX_DISTINCT:
        known = values.to_numpy(float, na_value=np.nan)
        return _fit_scale(known[np.isfinite(known)], NUMBERS)
    return Names(tuple(sorted(filter(None, map(_text, distinct)))))


def _text(value: object) -> str:
    """A value of the user's as a word; empty where there is none."""
    if pd.isna(value):
        return ""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return str(value).replace(SEPARATOR, "/").strip()
