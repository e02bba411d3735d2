"""Scores and differences as readers see them, each with its interval if there is one."""

from __future__ import annotations

from bench.evaluation import metrics
from bench.report import numbers
from bench.study.outcome.comparisons import ALL, Estimate, Panel


def figure(panel: Panel, name: str, city: str = ALL) -> str:
    """Write a score with its interval."""
    return interval(panel.estimate({name: 1.0}, city), panel.metric)


def interval(estimate: Estimate, metric: str) -> str:
    """Write a figure with its interval."""
    unit = metrics.get(metric).unit
    text = numbers.amount(estimate.value, unit)
    return f"{text} {numbers.span(estimate.low, estimate.high, unit)}" if estimate.known else text


def signed(estimate: Estimate, metric: str) -> str:
    """Write a difference with its interval."""
    unit = metrics.get(metric).unit
    if not estimate.known:
        return f"{estimate.value:+.{numbers.decimals(unit)}f}"
    return numbers.signed_span(estimate.value, estimate.low, estimate.high, unit)
