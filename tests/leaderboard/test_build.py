"""From records to rows: ranks, ties, flags, seeds, gaps; every case is somewhere, none leaves a mean in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mock_run import TYPICAL, Model, make_record, make_run, write_case

from bench.data.world import World
from bench.errors import UserError
from bench.leaderboard import Board, Leaderboard, Row, build, difference
from bench.records.manifest import read_run
from bench.records.record import write
from bench.report import score_table
from bench.report.findings import findings

ONE_SPLIT = [("B", ("C", "D"))]
THREE_SPLITS = [("B", ("C", "D")), ("C", ("B", "D")), ("D", ("B", "C"))]
MAIN = "geobleu@humob24"
SLOT = Model("slot_mode", 0.27, 47)


def row(board: Board | None, label: str) -> Row:
    assert board is not None
    return next(r for r in board.rows if r.label == label)


def city(found: Leaderboard, name: str) -> Board:
    return next(board for board in found.cities if board.cities == (name,))


def test_a_mean_is_that_of_the_score_file_and_its_interval_holds_it(tmp_path: Path) -> None:
    records = make_run(tmp_path, [SLOT], ONE_SPLIT)
    found = build(records, tmp_path)
    for record in records:
        figure = row(city(found, record.case.test_city), "slot_mode").figures[MAIN]
        assert figure.mean == pytest.approx(record.scores[MAIN].mean, rel=1e-12)
        assert figure.median == pytest.approx(record.scores[MAIN].median, rel=1e-12)
        assert figure.low < figure.mean < figure.high
    overall = row(found.overall, "slot_mode").figures[MAIN]
    assert overall.mean == pytest.approx(np.mean([r.scores[MAIN].mean for r in records]), rel=1e-12)


def test_equal_models_share_a_rank_and_a_better_one_stands_above(tmp_path: Path) -> None:
    records = make_run(tmp_path, [replace(SLOT, name="worse", bleu=0.2)], ONE_SPLIT)
    for name in ("twin a", "twin b"):
        for test_city in ("C", "D"):
            record, _ = make_record(replace(SLOT, name=name), "B", test_city, 0)
            _, scores = make_record(replace(SLOT, name="twin a"), "B", test_city, 0)
            write_case(tmp_path, record, scores)
            records.append(record)
    found = build(records, tmp_path)
    for board in found.boards:
        assert [(r.model, r.ranks(MAIN)) for r in board.rows] == [
            ("twin a", (1, 2)),
            ("twin b", (1, 2)),
            ("worse", (3, 3)),
        ]


def test_rows_stand_by_their_mean_and_a_rank_counts_the_better_and_leaves_room_for_the_worse(tmp_path: Path) -> None:
    found = build(make_run(tmp_path, TYPICAL, ONE_SPLIT), tmp_path)
    for board in found.boards:
        means = [r.figures[MAIN].mean for r in board.ranked]
        assert means == sorted(means, reverse=True)
        for r in board.ranked:
            standings = [board.standing(r, other, MAIN) for other in board.ranked]
            assert r.ranks(MAIN) == (1 + standings.count(-1), len(board.ranked) - standings.count(1))


def test_dtw_ranks_the_other_way(tmp_path: Path) -> None:
    near, far = Model("near", 0.2, 20, noise=0.001), Model("far", 0.2, 60, noise=0.001)
    found = build(make_run(tmp_path, [near, far], ONE_SPLIT), tmp_path)
    assert row(found.overall, "near").ranks("dtw@fixed") == (1, 1)
    assert row(found.overall, "far").ranks("dtw@fixed") == (2, 2)


def test_seeds_make_one_row_and_a_wider_interval(tmp_path: Path) -> None:
    many = Model("many", 0.27, 47, learns_from="train users", seeds=(0, 1, 2), noise=0.05)
    records = make_run(tmp_path, [SLOT, many], ONE_SPLIT)
    found = build(records, tmp_path)
    mine = row(city(found, "C"), "many (B)")
    means = [r.scores[MAIN].mean for r in records if r.case.model == "many" and r.case.test_city == "C"]
    assert mine.seeds == len(means) == 3
    assert mine.figures[MAIN].mean == pytest.approx(np.mean(means), rel=1e-12)


def test_a_seed_that_failed_takes_the_row_out_of_the_ranking(tmp_path: Path) -> None:
    model = Model("part", 0.27, 47, learns_from="train users", seeds=(0, 1))
    records = make_run(tmp_path, [SLOT, model], ONE_SPLIT)
    failed, _ = make_record(replace(model, fails={"C": "boom"}), "B", "C", 2)
    found = build([*records, failed], tmp_path)
    assert row(city(found, "C"), "part (B)").unranked == "1 of 3 seeds have no score"
    assert row(city(found, "D"), "part (B)").unranked is None
    assert [gap.reason for gap in found.gaps] == ["boom"]


def test_failed_and_skipped_cases_are_listed_and_keep_a_model_out_of_the_headline(tmp_path: Path) -> None:
    broken = Model("broken", 0.9, 10, learns_from="train users", fails={"D": "it broke"})
    absent = Model("absent", 0.9, 10, skips={"C": "needs CUDA", "D": "needs CUDA"})
    found = build(make_run(tmp_path, [SLOT, broken, absent], ONE_SPLIT), tmp_path)
    assert found.overall is not None
    assert [r.model for r in found.overall.rows] == ["slot_mode"]
    assert dict(found.overall.left_out) == {
        "absent": "no score for C (skipped: needs CUDA); no score for D (skipped: needs CUDA)",
        "broken (B)": "no score for B -> D (failed: it broke)",
    }
    assert row(city(found, "C"), "broken (B)").ranks(MAIN) == (1, 1)
    assert {(gap.model, gap.city, gap.status) for gap in found.gaps} == {
        ("broken", "D", "failed"),
        ("absent", "C", "skipped"),
        ("absent", "D", "skipped"),
    }


def test_a_case_without_any_record_keeps_a_model_out_too(tmp_path: Path) -> None:
    records = make_run(tmp_path, [SLOT, Model("late", 0.9, 10)], ONE_SPLIT)
    records = [r for r in records if (r.case.model, r.case.test_city) != ("late", "D")]
    found = build(records, tmp_path)
    assert found.overall is not None
    assert dict(found.overall.left_out) == {"late": "no score for D (no record)"}


def test_splits_with_other_cities_are_averaged_per_city_first(tmp_path: Path) -> None:
    learner = Model("learner", 0.28, 45, learns_from="train users")
    records = make_run(tmp_path, [SLOT, learner], THREE_SPLITS)
    found = build(records, tmp_path)
    assert found.overall is not None
    assert {r.label for r in found.overall.rows} == {"slot_mode", "learner (B | C | D)"}
    assert {r.users for r in found.overall.rows} == {180}
    means = {(r.case.train_cities, r.case.test_city): r.scores[MAIN].mean for r in records if r.case.model == "learner"}
    assert len(means) == 6
    per_city = [np.mean([v for (_, c), v in means.items() if c == test]) for test in "BCD"]
    assert row(found.overall, "learner (B | C | D)").figures[MAIN].mean == pytest.approx(np.mean(per_city), rel=1e-12)
    assert len([r for r in city(found, "B").rows if r.model == "learner"]) == 2


def test_splits_with_the_same_cities_are_rows_of_their_own(tmp_path: Path) -> None:
    learner = Model("learner", 0.28, 45, learns_from="train users")
    found = build(make_run(tmp_path, [SLOT, learner], [("A", ("C", "D")), ("A+B", ("C", "D"))]), tmp_path)
    assert found.overall is not None
    assert {r.label for r in found.overall.rows} == {"slot_mode", "learner (A)", "learner (A+B)"}


def test_training_sizes_are_told_apart(tmp_path: Path) -> None:
    learner = Model("learner", 0.28, 45, learns_from="train users")
    records = make_run(tmp_path, [SLOT], ONE_SPLIT)
    for size in (10, 100):
        records += make_run(tmp_path, [learner], ONE_SPLIT, train_users=size)
    found = build(records, tmp_path)
    assert found.overall is not None
    assert {r.model for r in found.overall.rows} == {"slot_mode", "learner, 10 train users", "learner, 100 train users"}


def test_a_city_that_all_models_skip_does_not_empty_the_headline(tmp_path: Path) -> None:
    models = [
        Model("slot_mode", 0.27, 47, skips={"E": "not in the data"}),
        Model("learner", 0.28, 45, learns_from="train users", skips={"E": "not in the data"}),
    ]
    found = build(make_run(tmp_path, models, [("B", ("C", "D", "E"))]), tmp_path)
    assert found.overall is not None
    assert (found.overall.cities, len(found.overall.rows), found.overall.left_out) == (("C", "D"), 2, ())
    assert len(found.gaps) == 2


def test_a_split_skipped_for_its_training_city_is_no_gap_of_a_model_that_learns_from_nothing(tmp_path: Path) -> None:
    models = [SLOT, Model("learner", 0.28, 45, learns_from="train users")]
    records = make_run(tmp_path, models, ONE_SPLIT)
    absent = {"C": "the data have no city E"}
    records += [make_record(replace(model, skips=absent), "E", "C", 0)[0] for model in models]
    found = build(records, tmp_path)
    assert row(city(found, "C"), "slot_mode").unranked is None
    assert [(gap.model, gap.training) for gap in found.gaps] == [("learner", "E")]


def test_rows_on_other_users_are_shown_and_not_ranked(tmp_path: Path) -> None:
    records = make_run(tmp_path, [SLOT, Model("user_mode", 0.2, 60)], ONE_SPLIT)
    records += make_run(tmp_path, [Model("few", 0.5, 20)], ONE_SPLIT, users=30)
    found = build(records, tmp_path)
    few = row(city(found, "C"), "few")
    assert few.unranked == "scored on other users than most models here"
    assert few.figures[MAIN].wins is None
    assert row(found.overall, "few").ranks(MAIN) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"coverage": 0.8}, "20% of its answers were filled by the fallback"),
        ({"facts": {"undertrained": "2 of 200 epochs"}}, "undertrained: 2 of 200 epochs"),
    ],
)
def test_unranked_rows_are_shown_with_their_reason_and_move_nobodys_rank(
    tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    best = Model("best", 0.6, 10, **change)  # type: ignore[arg-type]
    found = build(make_run(tmp_path, [SLOT, best], ONE_SPLIT), tmp_path)
    for board in found.boards:
        assert [(r.model, r.ranks(MAIN), r.unranked) for r in board.rows] == [
            ("slot_mode", (1, 1), None),
            ("best", None, reason),
        ]


def test_leaks_are_flagged_in_their_city_and_in_the_headline(tmp_path: Path) -> None:
    seen = Model("seen", 0.3, 40, seen=("C", "X"))
    trained = Model("trained", 0.3, 40, learns_from="train users")
    found = build(make_run(tmp_path, [seen, trained], [("C+D", ("C", "E"))]), tmp_path)
    assert row(city(found, "C"), "seen").leaks == ("C is in its pretraining",)
    assert row(city(found, "C"), "trained (C+D)").leaks == ("C is among its training cities",)
    assert row(city(found, "E"), "seen").leaks == row(city(found, "E"), "trained (C+D)").leaks == ()
    assert row(found.overall, "seen").leaks == ("C is in its pretraining",)


def test_shape_without_places_needs_both_ends(tmp_path: Path) -> None:
    models = [Model(f"m{i}", 0.30 - 0.03 * i, 40 + 3 * i, noise=0.005) for i in range(5)]
    odd = Model("constant", 0.10, 60, dtw_humob24=12, noise=0.005)
    found = build(make_run(tmp_path, [*models, odd], ONE_SPLIT), tmp_path)
    flagged = {r.model: r.shape_without_places for b in found.boards for r in b.rows if r.shape_without_places}
    assert flagged == {"constant": ("dtw@humob24",)}


def test_wins_are_against_the_named_reference_or_the_best_that_learns_from_nothing(tmp_path: Path) -> None:
    found = build(make_run(tmp_path / "a", TYPICAL, ONE_SPLIT), tmp_path / "a")
    assert found.reference == "slot_mode"
    assert row(found.overall, "slot_mode").figures[MAIN].wins is None
    assert row(found.overall, "user_mean").figures[MAIN].wins < 0.1  # type: ignore[operator]
    rest = [m for m in TYPICAL if m.name in ("user_mode", "tt_knn", "lp_bert fine-tuned")]
    assert build(make_run(tmp_path / "b", rest, ONE_SPLIT), tmp_path / "b").reference == "user_mode"


def test_misses_as_zero_is_read_from_the_scores(tmp_path: Path) -> None:
    found = build(make_run(tmp_path, [SLOT, Model("gaps", 0.25, 50, coverage=0.96)], ONE_SPLIT), tmp_path)
    figure = row(found.overall, "gaps").figures[MAIN]
    assert figure.misses_as_zero == pytest.approx(0.96 * figure.mean, rel=1e-9)


def test_what_cannot_be_reported_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no record"):
        build([], tmp_path)
    records = make_run(tmp_path, [SLOT], ONE_SPLIT)
    with pytest.raises(UserError, match="two records for one seed"):
        build([*records, records[0].model_copy(update={"reason": "again"})], tmp_path)
    with pytest.raises(UserError, match="different metrics"):
        build([records[0], records[1].model_copy(update={"main": "dtw@fixed"})], tmp_path)
    (tmp_path / records[0].files["scores"]).unlink()
    with pytest.raises(UserError, match="cannot read its scores"):
        build(records, tmp_path)


def test_costs_keep_hardware_apart_and_mark_what_was_not_alone(tmp_path: Path) -> None:
    found = build(make_run(tmp_path, TYPICAL, ONE_SPLIT), tmp_path)
    by_model = {cost.model: cost for cost in found.costs}
    assert "Mock GPU" in by_model["replay llama-3-8b"].hardware
    assert "Mock GPU" not in by_model["slot_mode"].hardware
    assert by_model["replay llama-3-8b"].parameters == 8_030_261_248
    assert not by_model["broken"].alone
    assert by_model["slot_mode"].fit_seconds is None


def test_a_single_test_user_gets_no_interval_and_no_rank_and_one_line_says_why(tmp_path: Path) -> None:
    found = build(make_run(tmp_path, TYPICAL[:4], ONE_SPLIT, users=1), tmp_path)
    for board in found.boards:
        assert {(r.figures[MAIN].low, r.figures[MAIN].high, r.ranks(MAIN)) for r in board.rows} == {(None, None, None)}
        table = score_table.scores(found, board)
        assert {r[0] for r in table.rows} == {"–"}
        assert "[" not in "".join(cell for r in table.rows for cell in r)
        assert len([note for note in table.notes if "One test user" in note]) == 1
    assert findings(found) == []


def test_one_city_with_a_single_user_takes_intervals_from_the_mean_over_cities_too(tmp_path: Path) -> None:
    records = make_run(tmp_path, TYPICAL[:4], [("B", ("C",))], users=1)
    records += make_run(tmp_path, TYPICAL[:4], [("B", ("D",))], users=40)
    found = build(records, tmp_path)
    assert found.overall is not None
    assert {r.ranks(MAIN) for r in found.overall.rows} == {None}
    assert {r.ranks(MAIN) is None for r in city(found, "D").rows} == {False}


def test_every_row_stands_beside_the_best_of_the_floor(tmp_path: Path) -> None:
    models = [SLOT, Model("user_mode", 0.2, 60), Model("kernel_vote", 0.29, 44), Model("mine", 0.27, 47)]
    found = build(make_run(tmp_path, models, ONE_SPLIT), tmp_path)
    for board in found.boards:
        floor = board.best_floor(found.metrics[MAIN])
        assert floor is not None
        assert floor.model == "kernel_vote"
        table = score_table.scores(found, board)
        at = table.heads.index("vs kernel_vote\nGEO-BLEU (HuMob 2024)")
        cells = {r[1]: r[at] for r in table.rows}
        mean, low, high = difference(row(board, "mine"), floor, MAIN)
        assert cells["mine"] == f"{mean:+.3f} ▼ [{low:+.3f}, {high:+.3f}]"
        assert cells["kernel_vote"] == "–"


def test_a_table_without_the_floor_says_so(tmp_path: Path) -> None:
    found = build(make_run(tmp_path, [Model("mine", 0.27, 47), Model("other", 0.2, 50)], ONE_SPLIT), tmp_path)
    notes = score_table.scores(found, found.boards[0]).notes
    assert "No floor row is here: user_mode, slot_mode, kernel_vote did not run." in notes


def test_scores_that_are_too_good_to_be_true_are_flagged_and_others_are_not(tmp_path: Path) -> None:
    models = [SLOT, Model("best known", 0.362, 40), Model("copied", 0.9, 1)]
    found = build(make_run(tmp_path, models, ONE_SPLIT), tmp_path)
    for board in found.boards:
        flagged = {r.model: [tag for tag, _ in score_table.flags(r)] for r in board.rows}
        assert flagged == {"slot_mode": [], "best known": [], "copied": ["too good"]}


def test_fifteen_equal_models_have_one_rank_between_them(tmp_path: Path) -> None:
    models = [Model(f"twin {i}", 0.3, 40, noise=0.05) for i in range(15)]
    found = build(make_run(tmp_path, models, [("B", ("C",))]), tmp_path)
    assert {r.ranks(MAIN) for r in found.cities[0].rows} == {(1, 15)}


def test_a_main_metric_of_another_kind_stands_first(tmp_path: Path) -> None:
    found = replace(build(make_run(tmp_path, [SLOT], ONE_SPLIT), tmp_path), main="accuracy@v1")
    assert found.versions[:2] == ("accuracy@v1", MAIN)
    alone = {name: found.metrics[name] for name in ("median_error@v1", "accuracy@v1")}
    assert replace(found, metrics=alone).versions == ("accuracy@v1", "median_error@v1")
    assert replace(found, metrics=alone).further == ()


def test_windows_of_one_animal_count_as_one(tmp_path: Path) -> None:
    """60 users are windows of 6 animals: intervals are wider, and only six are compared."""
    apart = build(make_run(tmp_path / "apart", [SLOT], ONE_SPLIT), tmp_path / "apart")
    records = make_run(tmp_path / "together", [SLOT], ONE_SPLIT)
    for record in records:
        assert record.data is not None
        worlds = {record.case.test_city: World(uids_a_user=10).plain()}
        write(
            record.model_copy(update={"data": record.data.model_copy(update={"worlds": worlds})}),
            tmp_path / "together" / "records" / f"{record.identity.cost}.json",
        )
    together = build(read_run(tmp_path / "together").records, tmp_path / "together")
    for one, other in zip(apart.boards, together.boards, strict=True):
        assert (one.users, other.users) == (one.users, one.users)
        assert (one.fewest, other.fewest) == (60, 6)
        narrow, wide = row(one, "slot_mode").figures[MAIN], row(other, "slot_mode").figures[MAIN]
        assert wide.mean == narrow.mean
        assert wide.high - wide.low != narrow.high - narrow.low


def test_the_same_people_on_other_grids_are_drawn_together(tmp_path: Path) -> None:
    """C and D have alike scores of one and the same people: their mean says no more than either."""
    _, scores = make_record(SLOT, "B", "C", 0)
    widths = {}
    for name, people in (("others", ""), ("the same", "C")):
        records = []
        for test_city, of in (("C", ""), ("D", people)):
            record, _ = make_record(SLOT, "B", test_city, 0)
            assert record.data is not None
            data = record.data.model_copy(update={"worlds": {test_city: World(people=of).plain()}})
            records.append(record.model_copy(update={"data": data}))
            write_case(tmp_path / name, records[-1], scores)
        found = build(records, tmp_path / name)
        widths[name] = [row(board, "slot_mode").figures[MAIN] for board in found.boards]
    mean, *cities = [figure.high - figure.low for figure in widths["the same"]]
    assert [mean, mean] == pytest.approx(cities, rel=1e-9)
    independent = widths["others"][0]
    assert independent.high - independent.low < 0.85 * mean
