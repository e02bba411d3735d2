"""Numbers of others: the file is sound, and they stand only beside the same metric version, challenge and city."""

from __future__ import annotations

from pathlib import Path

import pytest
from mock_run import Model, make_run

from bench.errors import UserError
from bench.leaderboard import Leaderboard, build
from bench.records.record import Record
from bench.report import published

MODELS = [Model("slot_mode", 0.27, 47), Model("user_mode", 0.2, 60)]


def board(
    folder: Path,
    source: str,
    *,
    synthetic: bool = False,
    metrics: tuple[str, ...] | None = None,
    main: str = "geobleu@humob24",
) -> Leaderboard:
    records = [_told(r, source, synthetic, metrics) for r in make_run(folder, MODELS, [("A", ("B", "C"))])]
    return build([record.model_copy(update={"main": main}) for record in records], folder)


def _told(record: Record, source: str, synthetic: bool, metrics: tuple[str, ...] | None) -> Record:
    assert record.data is not None
    data = record.data.model_copy(update={"source": source, "synthetic": synthetic})
    scores = {name: score for name, score in record.scores.items() if metrics is None or name in metrics}
    return record.model_copy(update={"data": data, "scores": scores})


def test_the_file_is_sound_and_holds_the_official_score_of_the_seed_paper() -> None:
    found = published.read()
    final = next(table for table in found.tables if table.about == "HuMob 2024, final")
    assert dict(zip(final.metrics, final.scores["Llama-3-8B-Mob"], strict=True)) == {
        "geobleu@humob24": 0.309,
        "dtw@humob24": 27.96,
    }
    assert (final.users, final.cities, len(final.scores)) == (3000, ("B", "C", "D"), 14)
    assert sum(len(table.scores) for table in found.tables) == 14 + 12 + 6 + 2 + 15
    for table in found.tables:
        versions = {metric.partition("@")[2] for metric in table.metrics}
        assert versions == ({"giscup25"} if table.challenge == "giscup2025" else {"humob24"})


def test_they_are_left_out_beside_synthetic_cities(tmp_path: Path) -> None:
    assert published.reported(published.read(), board(tmp_path, "synthetic(seed=1)", synthetic=True)) == []


def test_they_stand_beside_the_same_challenge_only(tmp_path: Path) -> None:
    found = published.fitting(published.read(), board(tmp_path / "a", "humob:humob2024"))
    assert {table.challenge for table in found} == {"humob2024"}
    assert {table.cities for table in found} == {("B", "C", "D"), ("B",), ("C",)}
    found = published.fitting(published.read(), board(tmp_path / "b", "humob:giscup2025"))
    assert {table.challenge for table in found} == {"giscup2025"}


def test_they_stand_beside_the_same_metric_version_only(tmp_path: Path) -> None:
    main = "geobleu@humob24"
    only_new = ("geobleu@giscup25", "dtw@fixed", main)
    for table in published.fitting(published.read(), board(tmp_path / "a", "humob:humob2024", metrics=only_new)):
        assert table.metrics == (main,)
        assert {len(values) for values in table.scores.values()} == {1}
    neither = ("geobleu@giscup25", "dtw@fixed")
    other = board(tmp_path / "b", "humob:humob2024", metrics=neither, main=neither[0])
    assert published.fitting(published.read(), other) == []


def test_they_are_set_apart_and_say_whose_they_are(tmp_path: Path) -> None:
    (table,) = published.reported(published.read(), board(tmp_path, "humob:plain", metrics=("geobleu@humob24",)))
    assert table.title == "Reported by others, not measured here"
    assert any("not ranked" in note for note in table.notes)
    assert any("arXiv:2410.23692" in note for note in table.notes)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("kind: reported", "kind: measured", "tables.0.kind"),
        ("metrics: [geobleu@humob24, dtw@humob24]", "metrics: [geobleu, dtw@humob24]", "tables.0.metrics.0"),
        ("Llama-3-8B-Mob: [0.309, 27.96]", "Llama-3-8B-Mob: [0.309]", "1 values for 2 metrics"),
        ("source: llama-mob-code", "source: hearsay", "sources lacks hearsay"),
        ("users: 3000", "users: 3000\n    rank: 1", "tables.0.rank"),
    ],
)
def test_a_faulty_file_is_refused(tmp_path: Path, old: str, new: str, fault: str) -> None:
    path = tmp_path / "published.yaml"
    path.write_text(published.PATH.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError, match=fault):
        published.read(path)
