"""What a row learned from: kept starts, rows that are one model, and constants tuned on the people who are tested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mock_run import FIRST_UID, Model, make_run

from bench.adapters.origin import GENERATOR, Learning, Tuned, choices_made
from bench.leaderboard import Board, Leaderboard, Row, build
from bench.report import csvtable, fact_tables, score_table
from bench.report.origins import learned_from

MAIN = "geobleu@humob24"
THREE = [("B", ("C", "D")), ("C", ("B", "D")), ("D", ("B", "C"))]
START = Learning(start="pretrained", hand_set="its layers", pretrained_on="synthetic people")
SLOT = Model("slot_mode", 0.27, 47)
NETWORK = Model(
    "network", 0.28, 45, learns_from="train users", learning=START.after(epochs=2, kept_epoch=2, kept_step=10)
)
REJECTED = "start kept (fine-tuning rejected on validation)"


def made(folder: Path, *models: Model, **options: object) -> Leaderboard:
    return build(make_run(folder, [SLOT, *models], options.pop("splits", THREE), **options), folder)  # type: ignore[arg-type]


def rows(board: Board | None, *names: str) -> list[Row]:
    assert board is not None
    return [row for row in board.rows if row.model in names]


def city(found: Leaderboard, name: str) -> Board:
    return next(board for board in found.cities if board.cities == (name,))


def test_fits_that_were_all_given_up_are_one_row_that_claims_no_city(tmp_path: Path) -> None:
    found = made(tmp_path, replace(NETWORK, kept=("B", "C", "D")))
    for board in found.boards:
        (row,) = rows(board, "network")
        assert learned_from(row.lineage) == REJECTED
        assert row.label == "network (start kept)"


def test_of_several_fits_the_row_says_which_were_kept(tmp_path: Path) -> None:
    found = made(tmp_path, replace(NETWORK, kept=("B", "C")))
    (whole,) = rows(found.overall, "network")
    assert learned_from(whole.lineage) == "D; start kept for B, C (fine-tuning rejected on validation)"
    in_c = {learned_from(row.lineage) for row in rows(city(found, "C"), "network")}
    assert in_c == {"D", REJECTED}
    assert len(rows(city(found, "D"), "network")) == 1


@pytest.mark.parametrize("shots", [1, 2])
def test_examples_in_the_prompt_are_said_whatever_the_fit_kept(shots: int, tmp_path: Path) -> None:
    shown = Model("shown", 0.28, 45, learns_from="train users", learning=START, facts={"shots": shots})
    given_up = replace(NETWORK, kept=("B", "C", "D"), facts={"shots": shots})
    odd = Model("odd", 0.2, 50, learns_from="train users", facts={"shots": "many"})
    found = made(tmp_path, shown, given_up, odd)
    said = "in the prompt)" if shots > 1 else "example in the prompt)"
    for row in rows(city(found, "C"), "shown", "network"):
        assert learned_from(row.lineage) in (f"{city} ({shots} {'examples ' * (shots > 1)}{said}" for city in "BD")
    assert {learned_from(row.lineage) for row in rows(city(found, "C"), "odd")} == {"B", "D"}
    assert len(rows(city(found, "C"), "shown", "network")) == 4


def test_a_start_that_was_kept_and_the_untuned_base_are_one_row(tmp_path: Path) -> None:
    tuned = replace(NETWORK, kept=("B", "C", "D"), adapter="network")
    untuned = Model("untuned", 0.28, 45, learning=START, adapter="network")
    found = made(tmp_path, tuned, untuned)
    for board in found.boards:
        assert [row.model for row in board.rows if row.model != "slot_mode"] == ["network = untuned"]
        assert len(board.rows) == 2


def test_starts_that_answer_otherwise_stay_apart(tmp_path: Path) -> None:
    tuned = replace(NETWORK, kept=("B", "C", "D"), adapter="network")
    untuned = Model("untuned", 0.29, 45, learning=START, adapter="network")
    assert len(made(tmp_path, tuned, untuned).cities[0].rows) == 3


def test_a_fit_of_no_epochs_did_not_learn_and_was_not_rejected(tmp_path: Path) -> None:
    found = made(tmp_path, replace(NETWORK, learning=START.after(epochs=0, kept_epoch=0, kept_step=0)))
    (row,) = rows(found.overall, "network")
    assert learned_from(row.lineage) == "start kept (not fine-tuned)"


def test_seeds_of_which_some_were_given_up_are_counted(tmp_path: Path) -> None:
    learned = replace(NETWORK, seeds=(0,))
    records = make_run(tmp_path, [SLOT, learned], [("B", ("C",))])
    records += make_run(tmp_path, [replace(learned, seeds=(1,), kept=("B",))], [("B", ("C",))])
    (row,) = rows(build(records, tmp_path).cities[0], "network")
    assert learned_from(row.lineage) == "B (start kept in 1 of 2 fits)"


def test_a_kept_start_leaks_nothing_of_its_training_city(tmp_path: Path) -> None:
    found = made(tmp_path, replace(NETWORK, kept=("B",)), splits=[("B", ("B", "C"))])
    assert rows(city(found, "B"), "network")[0].leaks == ()


def test_costs_and_learning_tell_the_kept_epoch_and_the_start(tmp_path: Path) -> None:
    found = made(tmp_path, replace(NETWORK, kept=("B", "C"), facts={"trained_parameters": 65_856}))
    table = fact_tables.trainings(found)
    told = {row[1]: row for row in table.rows if row[0] == "network"}
    assert told.keys() == {"D", REJECTED}
    kept, start = (table.heads.index(head) for head in ("kept epoch\n(step)", "start"))
    assert (told["D"][kept], told[REJECTED][kept]) == ("2 (10)", "0 (0)")
    assert told["D"][table.heads.index("trained\nparameters")] == "65.9 k"
    assert told["D"][start] == "set by hand (its layers), then pretrained on synthetic people"
    assert {row[1] for row in fact_tables.costs(found).rows if row[0] == "network"} == {"D", REJECTED}


def test_a_merged_row_finds_its_cost_in_the_csv(tmp_path: Path) -> None:
    text = csvtable.render(made(tmp_path, replace(NETWORK, kept=("B", "C", "D"))))
    line = next(line for line in text.splitlines() if line.startswith("all,") and ",network," in line)
    assert "41.25" in line


TESTED = {"C": (17600, 17699)}
ON_TESTED = Tuned(what="constants tuned on", challenge="humob2024", people=TESTED, days=(45, 59), about="k")


@pytest.mark.parametrize(
    ("change", "options", "told"),
    [
        ({}, {}, "constants tuned on C (days 45-59)"),
        ({}, {"source": "humob:plain"}, "constants tuned on C (days 45-59)"),
        ({}, {"source": "humob:humob2023"}, "nothing"),
        ({}, {"synthetic": True}, "nothing"),
        ({"people": {"B": (17600, 17699)}}, {}, "nothing"),
        ({"people": {"C": (0, FIRST_UID - 1)}}, {}, "nothing"),
        ({"people": {"C": (FIRST_UID + 5, FIRST_UID + 5)}}, {}, "constants tuned on C (days 45-59)"),
    ],
)
def test_nothing_is_for_models_whose_constants_saw_none_of_the_test_people(
    tmp_path: Path, change: dict[str, object], options: dict[str, object], told: str
) -> None:
    model = Model("votes", 0.27, 47, tuned=(ON_TESTED.model_copy(update=change),))
    found = made(tmp_path, model, splits=[("B", ("C",))], **{"synthetic": False, **options})
    (row,) = rows(found.cities[0], "votes")
    assert learned_from(row.lineage) == told
    assert dict(tuple(row[:2]) for row in fact_tables.costs(found).rows)["votes"] == told  # type: ignore[misc]


def test_provenance_stands_below_the_table(tmp_path: Path) -> None:
    models = (
        Model("votes", 0.27, 47, tuned=(ON_TESTED,)),
        replace(NETWORK, tuned=(GENERATOR, choices_made("its ties"))),
    )
    found = made(tmp_path, *models, splits=[("B", ("C",))], synthetic=False, source="humob:plain")
    notes = "\n".join(score_table.scores(found, found.cities[0]).notes)
    assert "who are test users here if these files are HuMob 2024's, days 45-59 of C: votes: k." in notes
    assert "Start of network: set by hand (its layers), then pretrained on synthetic people." in notes


def test_of_synthetic_people_the_note_says_what_their_generator_was_fitted_to(tmp_path: Path) -> None:
    found = made(tmp_path, replace(NETWORK, tuned=(GENERATOR,)))
    notes = "\n".join(score_table.scores(found, found.boards[0]).notes)
    assert "Synthetic test users: the generator of the synthetic people was fitted to" in notes
    assert "It also made, with other seeds, the people on whom network began." in notes
    assert "Tuned on people" not in notes


def test_a_start_that_nobody_tuned_is_no_model_that_learned_from_nothing(tmp_path: Path) -> None:
    found = made(tmp_path, Model("untuned", 0.29, 45, learning=START))
    (row,) = rows(found.overall, "untuned")
    assert learned_from(row.lineage) == "start alone (set by hand, then pretrained on synthetic people)"
