"""Protocols: what a file becomes with its scales, and with what the command line sets."""

from __future__ import annotations

from pathlib import Path

import pytest
from protocol_text import changed, faults
from pydantic import ValidationError

from bench.data.world import Window
from bench.protocol import reading


def test_the_floor_joins_every_protocol_that_does_not_name_it(file: Path) -> None:
    def names(**given: object) -> list[str]:
        return [model.name for model in reading.load(file, **given).models]  # type: ignore[arg-type]

    assert names() == ["user_mode", "The mode"]
    changed(file, ("floor: false\n", ""))
    assert names() == ["user_mode", "The mode", "kernel_vote"]
    assert names(only=["The mode"]) == ["The mode"]
    assert names(overrides=["floor=false"]) == ["user_mode", "The mode"]
    changed(file, ("  - {use: slot_mode, name: The mode}", "  - {use: svr, name: slot_mode}"))
    assert names() == ["user_mode", "slot_mode", "kernel_vote"]


def test_reads_every_part(file: Path) -> None:
    read = reading.load(file)
    assert (read.name, read.version, read.scale, read.seeds) == ("tiny", 2, "default", (0,))
    assert (read.data.source, read.data.cities, read.data.seed) == ("synthetic", ("A", "B", "C"), 3)
    assert read.data.options == {"users": 50}
    assert read.window == Window((0, 9), (10, 12))
    assert [(split.label, str(split.users.train), str(split.users.test)) for split in read.splits] == [
        ("B -> B, C", "20", "last 9"),
        ("A+B -> C", "5", "last 9"),
    ]
    assert read.splits[1].train.shares == {"A": 0.5}
    assert all(split.window == read.window for split in read.splits)
    assert [(model.use, model.name) for model in read.models] == [("user_mode", "user_mode"), ("slot_mode", "The mode")]
    assert (read.metrics.main, read.metrics.also) == ("geobleu@humob24", ("dtw@fixed",))
    assert (read.answers.fallback, read.answers.most_filled) == ("last_cell", 0.05)
    assert read.limits.model_dump() == {"fit_seconds": 600, "predict_seconds": 600}


def test_objects_are_frozen(file: Path) -> None:
    read = reading.load(file)
    for part, field in ((read, "name"), (read.data, "seed"), (read.users.test, "n"), (read.splits[0].train, "days")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(part, field, 1)


def test_training_on_dates_of_the_horizon_is_said(file: Path) -> None:
    read = reading.load(file)
    assert [split.sees_horizon_dates for split in read.splits] == [False, True]
    assert read.notes == (
        "training users are seen on days 0-12, which include dates of the horizon 10-12; test users never are",
    )


def test_a_scale_replaces_its_parts_and_no_others(file: Path) -> None:
    full = reading.load(file, scale="full")
    assert (full.scale, full.seeds) == ("full", (0, 1))
    assert [str(chosen) for chosen in full.users.by_role().values()] == ["all", "4", "30"]
    assert full.window == reading.load(file).window
    assert reading.load(file, scale="default") == reading.load(file)
    assert reading.scales(file) == ("default", "full")
    assert faults(file, scale="ful") == ["--scale ful: tiny.yaml has no such scale; did you mean 'full'?"]


def test_a_choice_of_users_is_replaced_whole(file: Path) -> None:
    changed(file, ("test: 30}", "test: {uids: 3-5}}"), ("users: {train: 5}", "users: {test: {uids: {C: 7}}}"))
    assert [str(split.users.test) for split in reading.load(file).splits] == ["last 9", "uids C 7"]
    assert [str(split.users.test) for split in reading.load(file, scale="full").splits] == ["uids 3-5", "uids C 7"]


def test_a_scale_may_use_dotted_keys(file: Path) -> None:
    changed(file, ("    seeds: [0, 1]\n", "    data.seed: 8\n    splits.0.test: [C]\n"))
    full = reading.load(file, scale="full")
    assert full.data.seed == 8
    assert full.splits[0].test == ("C",)


def test_set_reaches_every_part_after_the_scale(file: Path) -> None:
    read = reading.load(
        file,
        scale="full",
        overrides=["users.train=7", "data.seed=9", "window.history=[2, 9]", "splits.1.train.days=[0, 9]", "seeds=[5]"],
    )
    assert [str(split.users.train) for split in read.splits] == ["7", "5"]
    assert (read.data.seed, read.window.history, read.splits[1].train.days, read.seeds) == (9, (2, 9), (0, 9), (5,))


def test_the_last_set_of_a_key_counts(file: Path) -> None:
    assert reading.load(file, overrides=["data.seed=1", "data.seed=2"]).data.seed == 2


def test_data_takes_the_place_of_the_source_and_its_options(file: Path) -> None:
    read = reading.load(file, data="humob:somewhere/else")
    assert (read.data.source, read.data.options) == ("humob:somewhere/else", {})
    assert reading.load(file, data="synthetic").data.options == {"users": 50}
    assert faults(file, data="humbo:x") == [
        "--data humbo:x: data.source: source 'humbo:x' is not known; did you mean 'humob'?"
    ]
    assert faults(file, data="humob") == [
        "--data humob: data.source: source 'humob' lacks its folder; write humob:FOLDER"
    ]


def test_only_keeps_models_by_name_or_adapter(file: Path) -> None:
    assert [model.name for model in reading.load(file, only=["The mode"]).models] == ["The mode"]
    assert [model.name for model in reading.load(file, only=["slot_mode", "user_mode"]).models] == [
        "user_mode",
        "The mode",
    ]
    assert faults(file, only=["The mod"]) == [
        "--only The mod: the protocol has no such model; did you mean 'The mode'?"
    ]


def test_further_adapters_join_once(file: Path) -> None:
    changed(file, ("  - user_mode\n", ""))
    assert [model.name for model in reading.load(file, add=["slot_mode"]).models] == ["The mode"]
    assert [model.name for model in reading.load(file, add=["user_mode"]).models] == ["The mode", "user_mode"]
    assert faults(file, add=["outsider"])[0].startswith("--adapter outsider: models.1.use: model 'outsider' is not kn")


def test_what_is_left_out_has_its_default(file: Path) -> None:
    changed(
        file,
        ("version: 2\n", ""),
        (", seed: 3", ""),
        ("source: synthetic, ", ""),
        ("metrics: {main: geobleu@humob24, also: [dtw@fixed]}\n", ""),
        (", days: [0, 9]}, test: [B, C]", "}, test: [B, C]"),
    )
    read = reading.load(file, overrides=["window.horizon=[11, 13]"])
    assert (read.version, read.data.source, read.data.seed) == (1, "synthetic", 1)
    assert (read.metrics.main, len(read.metrics.also)) == ("geobleu@humob24", 3)
    assert [split.train.days for split in read.splits] == [(0, 13), (0, 12)], "the whole window where none are named"
