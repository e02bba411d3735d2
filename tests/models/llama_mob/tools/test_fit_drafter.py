"""A drafter is fitted to logged answers, and the command that judges it prints the passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.data.world import Calendar
from bench.errors import UserError
from models.llama_mob.engine.drafter import Drafter, Weights, shipped
from models.llama_mob.engine.evidence import SIZE
from models.llama_mob.tools import fit_drafter, simulate
from models.llama_mob.tools.fit_drafter import Sample, fit, likelihood
from models.llama_mob.tools.logged import Person, halves

IS_OFF = Calendar().is_off


def person(seed: int, days: int = 20, first: int = 12) -> Person:
    """Return someone whose places follow each other in a round, whatever the hour, with some noise."""
    rng = np.random.default_rng(seed)
    usual = rng.integers(1, 200, (3, 2))
    rows, place = [], 0
    for day in range(days):
        for slot in sorted(rng.choice(48, 5, replace=False)):
            place = (place + 1) % 3 if rng.random() < 0.9 else int(rng.integers(3))
            rows.append((day, slot, *usual[place]))
    table = np.array(rows, dtype=np.int64)
    return Person(table[table[:, 0] < first], table[table[:, 0] >= first])


def test_the_slope_is_that_of_the_likelihood() -> None:
    samples = [Sample.of(person(seed), IS_OFF) for seed in range(2)]
    rng = np.random.default_rng(0)
    point, way = rng.normal(size=SIZE + 1), rng.normal(size=SIZE + 1)
    point[SIZE] = 1.3
    _, slope, counted = likelihood(samples, point[:SIZE], point[SIZE])
    ahead, behind = (likelihood(samples, (point + h * way)[:SIZE], (point + h * way)[SIZE])[0] for h in (1e-5, -1e-5))
    assert slope @ way == pytest.approx((ahead - behind) / 2e-5, rel=1e-4)
    assert counted == sum(len(person(seed).answers) for seed in range(2))


def test_the_likelihood_is_of_the_chances_that_drafts_use() -> None:
    """One query, places of different x: the first guess is drafted while the threshold is below its chance."""
    history = np.array([(0, 8, 1, 2), (0, 30, 3, 4), (1, 8, 1, 2), (1, 30, 3, 4)], dtype=np.int64)
    query, nothing = np.array([(2, 8)], dtype=np.int64), np.zeros((0, 2), dtype=np.int64)
    guess = Drafter(history, query, IS_OFF).chain(0, None, nothing, 2)
    sample = Sample.of(Person(history, np.array([(2, 8, *guess)], dtype=np.int64)), IS_OFF)
    value, _, counted = likelihood([sample], shipped().logs, shipped().power)
    lengths = [
        len(Drafter(history, query, IS_OFF, threshold=np.exp(value) + away).chain(0, None, nothing, 2))
        for away in (-1e-4, 1e-4)
    ]
    assert lengths == [2, 0]
    assert counted == 1
    assert value < -0.01


def test_what_was_never_seen_does_not_count() -> None:
    seen = person(1)
    abroad = np.concatenate([seen.answers, [(20, 0, 777, 777)]])
    both = [
        likelihood([Sample.of(Person(seen.history, rows), IS_OFF)], shipped().logs, 1.0)
        for rows in (seen.answers, abroad)
    ]
    assert both[0][0] == both[1][0]
    assert both[0][2] == both[1][2] == len(seen.answers)


def test_a_fit_learns_a_habit_and_drafts_it_for_others() -> None:
    learned, others = halves([person(seed) for seed in range(12)])
    plain = Weights(np.zeros(SIZE), 1.0)
    fitted = fit([Sample.of(one, IS_OFF) for one in learned], steps=15)
    passes = [
        sum(simulate.passes_of(one, IS_OFF, 16, tree=True, weights=weights) for one in others)
        for weights in (fitted, plain)
    ]
    assert passes[0] < 0.8 * passes[1]


def test_a_stronger_prior_keeps_strengths_equal() -> None:
    samples = [Sample.of(person(seed), IS_OFF) for seed in range(2)]
    loose, tight = (np.abs(fit(samples, prior=prior, steps=5).logs).max() for prior in (1.0, 1e6))
    assert tight < 0.01 < loose


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """Return a folder with the rows of four users of cities B and C and a file of answers of each."""
    for city in "BC":
        tables = {"city": [], "answers": []}  # type: dict[str, list[pd.DataFrame]]
        for uid in range(4):
            one = person(uid, days=63, first=60)
            for rows, names in ((one.history, ["city"]), (one.answers, ["city", "answers"])):
                for name in names:
                    tables[name].append(pd.DataFrame(rows, columns=list("dtxy")).assign(uid=uid))
        for name, parts in tables.items():
            table = pd.concat(parts)[["uid", "d", "t", "x", "y"]]
            table.to_csv(tmp_path / f"{name}_{city}.csv.gz", index=False)
    return tmp_path


def test_commands_fit_and_judge(logged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, file = f"humob:{logged}", logged / "drafter.json"
    answers = {city: logged / f"answers_{city}.csv.gz" for city in "BC"}
    fit_drafter.main(["--data", data, "--answers", str(answers["B"]), "--steps", "3", "--to", str(file)])
    assert "for 2 users of city B" in file.read_text()
    assert capsys.readouterr().out.startswith("fitted on: 2 users")
    said = [f"{city}={path}" for city, path in answers.items()]
    simulate.main(["--data", data, "--weights", str(file), "--answers", *said])
    text = capsys.readouterr().out
    assert "Users: 2 of B, 4 of C." in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in lines[0].strip("|").split("|")] == ["decoding", "B", "C", "mean"]
    assert [cell.strip() for cell in lines[2].strip("|").split("|")][1:] == ["300", "300", "300"]
    assert [cell.strip() for cell in lines[3].strip("|").split("|")][1:] == ["29.0", "29.0", "29.0"]
    assert lines[5].count("/") == 3 * 2 + 2
    simulate.main(["--data", data, "--weights", str(file), "--answers", *said, "--to", str(logged / "passes.md")])
    assert (logged / "passes.md").read_text(encoding="utf-8").strip() == text.strip()


def test_answers_without_a_history_are_told(logged: Path) -> None:
    strange = logged / "strange.csv"
    strange.write_text("uid,d,t,x,y\n9,60,1,5,5\n")
    with pytest.raises(UserError, match="no history of uid 9 in city B"):
        simulate.main(["--data", f"humob:{logged}", "--answers", f"B={strange}"])
    with pytest.raises(UserError, match="CITY=FILE"):
        simulate.main(["--data", f"humob:{logged}", "--answers", str(strange)])
