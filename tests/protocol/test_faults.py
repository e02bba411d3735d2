"""What is wrong with a protocol: every fault at once, with its line and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from protocol_text import changed, faults

from bench.protocol import reading


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("name: tiny", "nmae: tiny", 2, "nmae: unknown key; did you mean 'name'?"),
        ("seed: 3", "sede: 3", 5, "data.sede: unknown key; did you mean 'seed'?"),
        ("{history:", "{histroy:", 6, "window.histroy: unknown key; did you mean 'history'?"),
        ("test: [B, C]}", "tests: [B, C]}", 8, "splits.0.tests: unknown key; did you mean 'test'?"),
        ("shares: {A: 0.5}", "sharse: {A: 0.5}", 9, "splits.1.train.sharse: unknown key; did you mean 'shares'?"),
        ("    users: {train: 5}", "    users: {trian: 5}", 11, "users.trian: unknown key; did you mean 'train'?"),
        ("validate: 4", "valdate: 4", 12, "users.valdate: unknown key; did you mean 'validate'?"),
        ("name: The mode}", "nmae: The mode}", 15, "models.1.nmae: unknown key; did you mean 'name'?"),
        ("The mode}", "The mode, settings: {rank: 4}}", 15, "models.The mode.rank: unknown key"),
        ("main: geobleu", "mian: geobleu", 16, "metrics.mian: unknown key; did you mean 'main'?"),
        ("    seeds:", "    seed:", 20, "seed: unknown key; did you mean 'seeds'?"),
        ("{train: all, test: 30}", "{trian: all, test: 30}", 19, "users.trian: unknown key"),
        ("version: 2", "version: two", 3, "version: should be a valid integer"),
        ("version: 2", "version: true", 3, "version: should be a valid integer"),
        ("about: A protocol for tests.", "about: [1]", 4, "about: should be a valid string"),
        ("cities: [A, B, C]", "cities: A", 5, "data.cities: a list is needed, not text ('A')"),
        ("cities: [A, B, C]", "cities: [A, B, C, no]", 5, "data.cities.3: should be a valid string"),
        ("cities: [A, B, C]", "cities: [A, B, C, B]", 5, "data.cities: B appears more than once; keep one"),
        ("window: {history: [0, 9], horizon: [10, 12]}", "window: 9", 6, "window: a mapping (key: value) is needed"),
        ("[10, 12]}", "[12, 10]}", 6, "window.horizon: [first day, last day] with 0 <= first <= last is needed"),
        ("[10, 12]}", "[10]}", 6, "window.horizon.1: a value is missing here"),
        ("[10, 12]}", "[9, 12]}", 6, "the horizon [9, 12] must follow the history [0, 9]; let it begin on day 10"),
        ("[0, 9]}, test", "[0, 9.5]}, test", 8, "splits.0.train.days.1: should be a valid integer"),
        ("test: [B, C]", "test: [B, Q]", 8, "splits.0.test: city 'Q' is not among data.cities; known: A, B, C"),
        ("cities: [B]", "cities: [D]", 8, "splits.0.train.cities: city 'D' is not among data.cities"),
        ("{A: 0.5}", "{C: 0.5}", 9, "splits.1.train.shares: city 'C' does not train here; known: A, B"),
        ("{A: 0.5}", "{A: 1.5}", 9, "splits.1.train.shares.A: should be less than or equal to 1"),
        ("{last: 9}", "{first: 9}", 12, "users.test: users are chosen by a number, all"),
        ("{last: 9}", "0", 12, "users: test: at least one user is needed"),
        ("train: 20", "train: -1", 12, "users.train: a whole number of users >= 0 is needed, not -1"),
        ("train: 20", "train: {last: 20}", 12, "users: train: 'last' is for users.test only"),
        ("{last: 9}", "{total: 9}", 12, "users: test: 'total' is for users.train only"),
        ("{last: 9}", "{uids: 9-4}", 12, "users.test: the range of uids 9-4 runs backwards"),
        ("{last: 9}", "{uids: some}", 12, "users.test: uids are written like '17600-17699, 18000', not 'some'"),
        ("{last: 9}", "{uids: {Q: 1-3}}", 12, "users.test.uids: city 'Q' is not among data.cities"),
        (
            "  - user_mode\n",
            "  - user_mod\n",
            14,
            "models.0.use: model 'user_mod' is not known; did you mean 'user_mode'?",
        ),
        ("name: The mode", "name: user_mode", 15, "models.1: the name 'user_mode' is taken above"),
        ("use: slot_mode, name", "use: user_mode, name", 15, "models.1: 'The mode' is the same as 'user_mode'"),
        ("name: The mode", "name: The | mode", 15, "models.1.name: String should match pattern"),
        ("geobleu@humob24", "geobleu@humob42", 16, "metrics.main: metric 'geobleu@humob42' is not known; did you mean"),
        (
            "[dtw@fixed]",
            "[dtw@fixde]",
            16,
            "metrics.also.0: metric 'dtw@fixde' is not known; did you mean 'dtw@fixed'?",
        ),
        ("[dtw@fixed]", "[geobleu@humob24]", 16, "metrics: geobleu@humob24 is already the main metric"),
        ("seeds: [0, 1]", "seeds: [0, 0]", 20, "seeds: 0 appears more than once; keep one"),
        ("seeds: [0, 1]", "seeds: 3", 20, "seeds: a list is needed, not a number (3)"),
        ("schema: 1", "schema: 2", 1, "schema: this version reads schema 1, not 2"),
        ("schema: 1\n", "", 1, "schema: is missing; add it"),
        ("source: synthetic", "source: sinthetic", 5, "source 'sinthetic' is not known; did you mean 'synthetic'?"),
        ("source: synthetic", "source: synthetic:x", 5, "source 'synthetic' takes nothing after it"),
    ],
)
def test_each_fault_names_its_line_and_the_nearest(file: Path, old: str, new: str, line: int, words: str) -> None:
    found = faults(changed(file, (old, new)))
    assert any(message.startswith(f"tiny.yaml:{line}: ") and words in message for message in found), found


def test_all_faults_come_at_once(file: Path) -> None:
    changed(
        file,
        ("seed: 3", "sede: 3"),
        ("horizon: [10, 12]", "horizon: [5, 12]"),
        ("test: [B, C]", "test: [B, Q]"),
        ("train: 20", "train: many"),
        ("- user_mode", "- user_mod"),
        ("dtw@fixed", "dtw@fixde"),
        ("test: 30", "tset: 30"),
    )
    found = faults(file, overrides=["usres.test=3", "models.nobody.x=1", "rubbish"])
    assert [message.partition(":")[2].partition(":")[0] for message in found if message.startswith("tiny")] != []
    for words in (
        "tiny.yaml:5: data.sede",
        "tiny.yaml:6: window: the horizon",
        "tiny.yaml:8: splits.0.test: city 'Q'",
        "tiny.yaml:12: users.train: users are chosen by",
        "tiny.yaml:14: models.0.use: model 'user_mod'",
        "tiny.yaml:16: metrics.also.0: metric 'dtw@fixde'",
        "tiny.yaml:19: users.tset: unknown key",
        "--set usres.test=3: usres: unknown key; did you mean 'users'?",
        "--set models.nobody.x=1: models.nobody.x: no such model",
        "--set rubbish: write it as KEY=VALUE",
    ):
        assert sum(message.startswith(words) for message in found) == 1, (words, found)


def test_a_city_that_trains_and_is_tested_is_refused_where_roles_go_by_city(file: Path) -> None:
    changed(file, ("users: {train: 20,", "users: {roles: city, train: 20,"))
    assert faults(file) == [
        "tiny.yaml:8: splits.0.test: B both trains and is tested; with users.roles: city, a city has one role only"
    ]


@pytest.mark.parametrize(
    ("users", "overlap"),
    [
        ("{train: {uids: 1-50}, test: {uids: '90, 50-60'}}", "uid 50 stands under train and test"),
        ("{train: {uids: {B: 1-50}}, test: {uids: 30}}", "uid 30 stands under train and test"),
        ("{validate: {uids: {B: 7}}, test: {uids: {B: 7}}}", "uid 7 stands under validate and test"),
    ],
)
def test_listed_users_may_not_overlap(file: Path, users: str, overlap: str) -> None:
    changed(
        file, ("users: {train: 20, validate: 4, test: {last: 9}}", f"users: {users}"), ("    users: {train: 5}\n", "")
    )
    assert faults(file)[0].startswith(f"tiny.yaml:11: users: users overlap: {overlap}")


def test_listed_users_of_different_cities_do_not_overlap(file: Path) -> None:
    read = reading.load(file, overrides=["users.train={uids: {A: 1-50}}", "users.test={uids: {B: 1-50, C: 3}}"])
    assert str(read.users.test) == "uids B 1-50; C 3"


def test_a_scale_that_was_not_asked_for_is_checked_too(file: Path) -> None:
    changed(file, ("seeds: [0, 1]", "window: {horizon: [4, 12]}"))
    (message,) = faults(file)
    assert message.startswith("tiny.yaml:20: window: the horizon [4, 12] must follow the history [0, 9]")


def test_what_set_mends_does_not_come_back_from_other_scales(file: Path) -> None:
    changed(file, ("seed: 3", "seed: three"))
    assert reading.load(file, overrides=["data.seed=3"]).data.seed == 3


def test_set_says_where_it_leads_nowhere(file: Path) -> None:
    given = ["users.trian=5", "name.first=x", "splits.7.test=[B]", "scales.full.seeds=[1]", "users.train=[1"]
    found = faults(file, overrides=given)
    assert any(m.startswith("--set users.trian=5: users.trian: unknown key; did you mean 'train'?") for m in found)
    assert "--set name.first=x: 'first' cannot be set inside text ('tiny')" in found
    assert "--set splits.7.test=[B]: '7' is not an index of a list of 2 (from 0)" in found
    assert "--set scales.full.seeds=[1]: scales are applied before --set; set the value itself" in found
    assert any(m.startswith("--set users.train=[1: not valid YAML") for m in found)
