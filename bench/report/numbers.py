"""Figures as a reader sees them: decimals by unit, intervals, seconds, memory."""

from __future__ import annotations

from bench.evaluation.metrics import title_of

NONE = "–"


def title(metric: str) -> str:
    """Name a metric for readers: ``GEO-BLEU (HuMob 2024)``."""
    return title_of(metric)


def amount(value: float | None, unit: str) -> str:
    """Format a score: one decimal for kilometres, three for everything else."""
    if value is None or value != value:
        return NONE
    return f"{value:.{decimals(unit)}f}"


def spread(value: float | None, unit: str) -> str:
    """Format a standard deviation or error: a decimal more than the score itself."""
    return NONE if value is None or value != value else f"{value:.{decimals(unit) + 1}f}"


def decimals(unit: str) -> int:
    """How many decimals a unit is shown with: what some hundred users can tell apart, and one more."""
    return 1 if unit == "km" else 3


def span(low: float | None, high: float | None, unit: str) -> str:
    """Format an interval; nothing where there is none."""
    known = low is not None and high is not None and low == low
    return f"[{amount(low, unit)}–{amount(high, unit)}]" if known else ""


def ranks(found: tuple[int, int] | None) -> str:
    """Format the ranks that a row may have: ``1``, ``2–3``; a dash where it is not ranked."""
    if found is None:
        return NONE
    first, last = found
    return f"{first}" if first == last else f"{first}–{last}"


def signed_span(value: float, low: float, high: float, unit: str) -> str:
    """Format a difference with its interval and unit: ``+2.1 [-4.3, +11.8] km``."""
    places = decimals(unit)
    tail = f" {unit}" if unit == "km" else ""
    return f"{value:+.{places}f} [{low:+.{places}f}, {high:+.{places}f}]{tail}"


def share(value: float | None) -> str:
    """Format a share as per cent; only a whole is 100 %."""
    if value is None:
        return NONE
    return f"{min(100 * value, 99.9):.1f} %" if 0.995 <= value < 1 else f"{100 * value:.0f} %"


def seconds(value: float | None) -> str:
    """Format a time: milliseconds below a second, minutes above 100 seconds."""
    if value is None:
        return NONE
    if value < 0.0995:
        return f"{1000 * value:.1f} ms"
    if value < 0.9995:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min"


def count(value: float | None) -> str:
    """Format a large count: 2.46 M, 8.03 G."""
    if value is None:
        return NONE
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"


def memory(megabytes: float | None) -> str:
    """Format a size in memory."""
    if megabytes is None:
        return NONE
    return f"{megabytes / 1000:.1f} GB" if megabytes >= 1000 else f"{megabytes:.0f} MB"


def rate(value: float | None) -> str:
    """Format users a second."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def as_reported(value: float) -> str:
    """Format a number of somebody else's with all its digits, at least three after the point below 1."""
    return max(f"{value:g}", f"{value:.{3 if abs(value) < 1 else 1}f}", key=len)
