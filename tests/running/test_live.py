"""What a run shows on a terminal: the leaderboard as it fills, the time left, a line a case."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from mock_run import TYPICAL, Model, make_record
from rich.cells import cell_len
from rich.console import Console

from bench.records.record import Record
from bench.running.live import Live, Pace, Standing
from bench.running.progress import Lines, line, make


def record(model: Model, city: str = "C", training: str = "B", seed: int = 0) -> Record:
    return make_record(model, training, city, seed)[0]


def screen(width: int = 80, height: int = 30) -> Console:
    return Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)


def drawn(live: Live, console: Console) -> list[str]:
    with console.capture() as captured:
        console.print(live)
    return captured.get().splitlines()


def test_a_terminal_gets_a_picture_and_a_file_gets_lines() -> None:
    assert isinstance(make(screen()), Live)
    assert isinstance(make(Console(file=io.StringIO())), Lines)


@pytest.mark.parametrize("width", [80, 140])
def test_the_picture_fits_and_holds_what_is_known(width: int) -> None:
    console = screen(width)
    live = Live(console)
    live._total, live._done = 9, 2
    live._pace.waiting = Counter({"kernel_vote": 3, "lp_bert fine-tuned": 4})
    live.known(record(TYPICAL[2]))
    live.case(record(TYPICAL[5]))
    live.case(record(TYPICAL[5], "D"))
    live.step("kernel_vote (C+D)", "C: predict", 3, 12)
    lines = drawn(live, console)
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    assert "GEO-BLEU (HuMob 2024) so far" in text
    rows = [row.split()[:2] for row in lines if row.startswith(("kernel_vote  ", "slot_mode"))]
    assert rows == [["kernel_vote", "2"], ["slot_mode", "1"]]  # the one with all cities first
    assert "3/12 C: predict" in text
    assert "4/9" in text
    assert "4 more cases of models not timed yet" in text
    live.finish("kernel_vote (C+D)")
    assert "C: predict" not in "\n".join(drawn(live, console))


def test_a_low_screen_and_many_cities_are_cut_and_say_so() -> None:
    console = screen(80, height=16)
    live = Live(console)
    for model in TYPICAL[:12]:
        for city in "ABCDEFGHI":
            live.known(record(model, city))
    lines = drawn(live, console)
    assert len(lines) <= 16
    assert max(map(cell_len, lines)) <= 80
    assert any("more rows" in text for text in lines)


def test_names_from_outside_stay_text() -> None:
    console = screen()
    live = Live(console)
    hostile = Model("x [bold red]y[/] \x1b[2J", 0.2, 50.0)
    live.known(record(hostile))
    live.step("x [bold red]y[/] \x1b[2J", "\x1b[2J", 0, 1)
    assert "\x1b" not in line(record(hostile))
    text = "\n".join(drawn(live, console))
    assert "[bold red]y[/]" in text
    assert "\x1b[2J" not in text


def test_the_time_left_is_that_of_finished_cases_of_the_same_models() -> None:
    pace = Pace(Counter({"fast": 3, "slow": 2}))
    assert pace.left() == "5 cases of models not timed yet"
    pace.finished("fast", 10.0)
    assert pace.left() == "about 20 s left; 2 more cases of models not timed yet"
    pace.finished("slow", 600.0)
    assert pace.left() == "about 10 min left"
    pace.finished("slow", 1.0)
    pace.finished("fast", 1.0)
    pace.finished("fast", 1.0)
    assert pace.left() == "the last case is being written"


def test_means_are_by_city_and_failures_are_in_none() -> None:
    standing = Standing()
    standing.add(record(Model("broken", 0.1, 50.0, fails={"C": "out of memory"})))
    assert standing.rows() == []
    one, two = record(TYPICAL[10], training="A"), record(TYPICAL[10], training="B", seed=1)
    for some in (one, two):
        standing.add(some)
    means = [some.scores[some.main].mean for some in (one, two)]
    ((_, towns, cases),) = standing.rows()
    assert towns["C"] == pytest.approx(sum(means) / 2)
    assert cases == 2


def test_each_case_is_a_line_of_the_log() -> None:
    console = Console(file=io.StringIO(), width=200)
    log = Lines(console)
    log.start(3, 1, ["kernel_vote", "broken"])
    log.case(record(TYPICAL[5]))
    log.case(record(Model("broken", 0.1, 50.0, fails={"C": "out of memory"})))
    said = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert said[0] == "3 cases, 1 already done"
    assert said[1].startswith("[2/3] kernel_vote | B -> C | seed 0: GEO-BLEU (HuMob 2024) 0.")
    assert said[2].startswith("[3/3] broken | B -> C | seed 0: failed")
    assert "[" not in line(record(TYPICAL[5]), short=True)
