"""The HTML of pages: templates, and how they write numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2

from src.evaluation import significance

WEB = Path(__file__).with_name("web")


def fill_in(template: str, **values: Any) -> str:
    """A page by a template of `WEB`; the values are escaped."""
    return _environment().get_template(template).render(values)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {
        "allow_nan": False,
        "ensure_ascii": False,
        "separators": (",", ":"),
    }
    filters: dict[str, Callable[..., str]] = {
        "percent": _percent,
        "points": _points,
        "count": lambda number: f"{number:,}",
        "change": _change,
        "minus": _minus,
        "chance": significance.in_words,
        "verdict": significance.verdict,
    }
    environment.filters |= filters
    return environment


def _percent(share: float, digits: int = 2) -> str:
    return f"{share:.{digits}%}"


def _points(difference: float, digits: int = 2) -> str:
    return _signed(f"{100 * difference:+.{digits}f}")


def _change(number: float, how: str = "+,") -> str:
    return _signed(format(number, how))


def _minus(text: str) -> str:
    """Numbers as tables print them, with wider minus signs."""
    return text.replace("-", "−")


def _signed(number: str) -> str:
    """With a minus sign as wide as the plus, and none for zero."""
    return number.lstrip("+-") if float(number.replace(",", "")) == 0 else number.replace("-", "−")
