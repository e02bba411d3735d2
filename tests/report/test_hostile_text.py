"""Text from outside stays text wherever a run is shown: files, terminal, page."""

from __future__ import annotations

import base64
import csv
import gzip
import io
import json
import re
from pathlib import Path

import pytest
from mock_run import TYPICAL, Model, make_run
from rich.console import Console

from bench.cli.report import make_report
from bench.records.manifest import read_run
from bench.report import figures, markdown
from bench.report.tables import make_table, sheet, unsheet

HOSTILE = (
    "=cmd|' /C calc'!A0", "+1+cmd|'x'!A0", "-2+3", "@SUM(1)", "</script><script>x</script>", "`code` ```", "a|b|c",
    "two\nlines\r\nthree", "right \u202eleft\u202c \u2066x\u2069", "\x1b[31mred\x1b]0;title\x07", 'quo"te\' &amp;',
    r"\input{/etc/x} $1$ ~^", "[link](javascript:x) ![i](http://x)", "{{7*7}} ${7*7}",
)  # fmt: skip
UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    models = [Model(name, 0.2 + 0.01 * i, 50, fails={"D": f"why {name}"}) for i, name in enumerate(HOSTILE)]
    make_run(folder, [*TYPICAL[:3], *models], [("B", ("C", "D"))])
    return folder


@pytest.fixture(scope="module")
def shown(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the terminal shows, and the folder with the files."""
    folder = tmp_path_factory.mktemp("made")
    console = Console(file=io.StringIO(), width=140, force_terminal=True, color_system=None)
    make_report(run, console, folder)
    return console.file.getvalue(), folder  # type: ignore[attr-defined]


def test_a_terminal_gets_no_codes(shown: tuple[str, Path]) -> None:
    text = re.sub("\x1b\\[[0-9;]*m", "", shown[0])  # the report's own bold and dim
    assert not UNSEEN.search(text)
    assert "[31mred" in text


@pytest.mark.parametrize("file", ["leaderboard.csv", "slices.csv"])
def test_a_spreadsheet_gets_no_formula(shown: tuple[str, Path], file: str) -> None:
    text = (shown[1] / file).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert rows
    assert not UNSEEN.search(text)
    assert all(row["model"][:1] not in "=+-@" for row in rows)


@pytest.mark.parametrize("name", HOSTILE)
def test_markdown_and_latex_tables_hold_names_as_text(name: str) -> None:
    table = make_table(name, [("model", False), (name, True)], [[name, "0.1 [0.0–0.2]"]], [name])
    text = markdown.render_table(table)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1, "a name made a column"
    assert not re.search(r"(?<!\\)[<`\[](?!br>)", text.replace("[0.0–0.2]", ""))
    assert not UNSEEN.search(text)
    tex = figures.latex(table)
    assert not re.search(r"\\input|(?<!\\)[$#%_]", tex)
    assert [len(re.findall(r"(?<!\\)&", line)) for line in tex.splitlines() if line.endswith(r"\\")] == [1, 1]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_comes_back_from_a_sheet(name: str) -> None:
    assert unsheet(sheet(name)) == sheet(name).removeprefix("'")
    assert sheet(sheet(name)) == sheet(name)


def test_the_page_holds_names_packed_and_without_marks_that_cannot_be_seen(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="vl-convert is not installed: pip install 'mobility-bench[figures]'")
    from bench.leaderboard import build
    from bench.report.page import write

    read = read_run(run)
    path = write.of_run(read, build(read.records, run), tmp_path, published=True, data=None)
    page = path.read_text(encoding="utf-8")
    packed = re.search('id="packed">([^<]*)</script>', page)
    assert packed
    content = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    names = {row["model"] for row in content[0]["boards"][0]["rows"]} | {
        r["model"] for r in content[0]["records"].values()
    }
    assert HOSTILE[4] in names
    assert r"\input{/etc/x} $1$ ~^" in names
    assert not any(UNSEEN.search(name) for name in names)
    assert "<script>x" not in page.replace("id=", "")
