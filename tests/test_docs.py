"""Figures in README and docs stand in a file of results/ that their section links; links and files are there."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from figures import BLOCK, CODE, FIGURE, LINK, ROOT, sections, unproved

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "baselines" / "lp_bert" / "README.md"]
ALL_PAGES = sorted(path for path in ROOT.rglob("*.md") if not {".venv", "runs"} & set(path.parts))
FILE = re.compile(r"(?:tests|bench|baselines|models|protocols|results|docs)/[\w./-]+\.(?:py|md|yaml|csv|svg|json)\b")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_figure_stands_in_a_linked_result(page: Path) -> None:
    faults = {
        section.split("\n")[0]: found
        for section in sections(page.read_text(encoding="utf-8"))
        if (found := unproved(section, page.parent))
    }
    assert not faults, f"{page.name}: no linked file of results/ gives these figures of what they are about"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    found = LINK.findall(CODE.sub(" ", BLOCK.sub(" ", page.read_text(encoding="utf-8"))))
    assert [link for _words, link in found if "://" not in link and not (page.parent / link).exists()] == []


def test_every_file_that_a_page_names_is_there() -> None:
    missing = {
        str(page.relative_to(ROOT)): absent
        for page in ALL_PAGES
        if (absent := [name for name in FILE.findall(page.read_text(encoding="utf-8")) if not _there(name)])
    }
    assert not missing


def _there(name: str) -> bool:
    return "NAME" in name or (ROOT / name).exists()


def test_a_planted_figure_is_found() -> None:
    link = "[results](results/published.yaml)"
    assert unproved(f"Measured: .987654 of all; see {link}.", ROOT) == [".987654"]
    assert unproved(f"It takes 98,765.4 s; see {link}.", ROOT) == ["98,765.4"]
    assert unproved("Measured: .309 of all, with no link.", ROOT) == [".309"]
    assert unproved(f"Reported: .309 of all; see {link}.", ROOT) == []
    assert unproved("Python 3.11, `0.123`, 40 people, rank 16.", ROOT) == []


def test_a_figure_of_another_model_or_metric_is_no_proof() -> None:
    link = "[table](results/zero_shot/leaderboard.md)"
    assert unproved(f"`kernel_vote` has GEO-BLEU 0.310, `slot_mode` 0.275; see {link}.", ROOT) == []
    assert unproved(f"`slot_mode` has GEO-BLEU 0.310; see {link}.", ROOT) == ["0.310"]
    assert unproved(f"`kernel_vote` has DTW 0.310; see {link}.", ROOT) == ["0.310"]
    table = "\n\n| model | GEO-BLEU (HuMob 2024) |\n|---|---:|\n| `kernel_vote` | 0.310 |\n| `slot_mode` | 0.310 |\n"
    assert unproved(link + table, ROOT) == ["0.310"]


def test_most_wrong_figures_are_found() -> None:
    """Each figure of the page of results, changed by 2 to 30 of its last digit: two of three are told."""
    page = ROOT / "docs" / "results.md"
    found = [bool(unproved(wrong, page.parent)) for section in sections(page.read_text()) for wrong in changed(section)]
    assert len(found) > 150
    assert sum(found) > len(found) * 2 / 3


def changed(section: str) -> list[str]:
    """Copies of a section, each with another of its figures wrong."""
    rng = random.Random(0)
    wrong = []
    for found in FIGURE.finditer(section):
        places = len(found.group(1).partition(".")[2])
        for by in (rng.randint(2, 30), -rng.randint(2, 30)):
            value = float(found.group(1).replace(",", "")) + by * 10.0**-places
            if places and value > 0:
                wrong.append(f"{section[: found.start(1)]}{value:.{places}f}{section[found.end(1) :]}")
    return wrong
