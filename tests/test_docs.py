"""Figures in README and docs stand in a file of results/ that their section links; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)[^)]*\)")
CODE = re.compile(r"```.*?```|`[^`]*`", re.DOTALL)
VERSION = re.compile(r"\b(?:Python|Linux) \d+(?:\.\d+)*")
UNIT = r"(?=\s?(?:%|km|s|ms|passes|MB|GiB|tokens)\b)|(?=\s?%)"
# A figure is a number with two decimals or more, or one with a unit of measurement.
FIGURE = re.compile(
    rf"(?<![\w.,/-])[+\-−–]?(\d*\.\d{{2,}}|\d[\d,]*(?:\.\d+)?(?:{UNIT}))(?![\w.]*\d)",
)
NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*\.?\d*(?:e-?\d+)?|(?<![\w.])-?\.\d+")


def sections(text: str) -> list[str]:
    """Parts of a page, each from one heading to the next."""
    return re.split(r"(?m)^(?=#+ )", text)


def numbers_of(text: str) -> set[float]:
    """All numbers that stand in a text, without their signs."""
    return {
        abs(float(found.replace(",", ""))) for found in NUMBER.findall(text.replace("−", "-")) if found.strip("-.,")
    }


def unproved(section: str, folder: Path) -> list[str]:
    """Figures of a section that no linked file of results/ gives, rounded as the section has them."""
    links = [(folder / link).resolve() for link in LINK.findall(section) if "://" not in link]
    proofs = [link for link in links if link.is_relative_to(ROOT / "results") and link.is_file()]
    known = set().union(*(numbers_of(proof.read_text(encoding="utf-8")) for proof in proofs))
    prose = VERSION.sub(" ", LINK.sub(" ", CODE.sub(" ", section)))
    missing = []
    for found in FIGURE.finditer(prose):
        text = found.group(1).replace(",", "")
        half = 0.5 * 10.0 ** -len(text.partition(".")[2])
        share = prose[found.end() :].lstrip().startswith("%")
        wanted = [float(text), float(text) / 100] if share else [float(text)]
        halves = [half, half / 100] if share else [half]
        if not any(abs(value - one) <= h * 1.0001 for one, h in zip(wanted, halves, strict=True) for value in known):
            missing.append(found.group(0))
    return missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_figure_stands_in_a_linked_result(page: Path) -> None:
    faults = {
        section.split("\n")[0]: found
        for section in sections(page.read_text(encoding="utf-8"))
        if (found := unproved(section, page.parent))
    }
    assert not faults, f"{page.name}: no linked file of results/ gives these figures"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(CODE.sub(" ", page.read_text(encoding="utf-8"))) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_a_planted_figure_is_found() -> None:
    link = "[results](results/published.yaml)"
    assert unproved(f"Measured: .987654 of all; see {link}.", ROOT) == [".987654"]
    assert unproved(f"It takes 98,765.4 s; see {link}.", ROOT) == ["98,765.4"]
    assert unproved("Measured: .309 of all, with no link.", ROOT) == [".309"]
    assert unproved(f"Reported: .309 of all; see {link}.", ROOT) == []
    assert unproved("Python 3.11, `0.123`, 40 people, rank 16.", ROOT) == []
