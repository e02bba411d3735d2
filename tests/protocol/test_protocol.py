"""Protocols: what a file becomes, and every fault at once with its line and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from typer.testing import CliRunner

from bench.adapters import registry
from bench.cli.app import app
from bench.cli.check import counts
from bench.data.world import Window
from bench.errors import UserError
from bench.protocol import reading, yamlfile
from bench.protocol.schema import METRICS, AnswersSpec, LimitsSpec, Protocol
from bench.protocol.selection import Selection

ROOT = Path(__file__).resolve().parents[2]
DEFAULTS = {
    "version": 1,
    "data": {"source": "synthetic", "seed": 1},
    "metrics": METRICS.model_dump(mode="json"),
    "answers": AnswersSpec().model_dump(mode="json"),
    "seeds": [0],
    "limits": LimitsSpec().model_dump(mode="json"),
}
SHIPPED = sorted(path.stem for path in (ROOT / "protocols").glob("*.yaml"))

TEXT = """\
schema: 1
name: tiny
version: 2
about: A protocol for tests.
data: {source: synthetic, cities: [A, B, C], seed: 3, options: {users: 50}}
window: {history: [0, 9], horizon: [10, 12]}
splits:
  - {train: {cities: [B], days: [0, 9]}, test: [B, C]}
  - train: {cities: [A, B], days: [0, 12], shares: {A: 0.5}}
    test: [C]
    users: {train: 5}
users: {train: 20, validate: 4, test: {last: 9}}
models:
  - user_mode
  - {use: slot_mode, name: The mode}
metrics: {main: geobleu@humob24, also: [dtw@fixed]}
scales:
  full:
    users: {train: all, test: 30}
    seeds: [0, 1]
floor: false
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT)
    return path


def changed(file: Path, *replacements: tuple[str, str]) -> Path:
    """Rewrite the file with some of its text replaced."""
    text = file.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return file


def faults(file: Path, **given: object) -> list[str]:
    """Return the messages of a protocol that cannot be read, without the folder."""
    with pytest.raises(UserError) as caught:
        reading.load(file, **given)  # type: ignore[arg-type]
    return [message.replace(f"{file.parent}/", "") for message in caught.value.messages]


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


@pytest.mark.parametrize("path", sorted((ROOT / "protocols").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_protocol_shows_the_floor(path: Path) -> None:
    used = {model.use for model in reading.load(path, data="synthetic").models}
    assert set(registry.FLOOR) <= used


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
        ("cities: [A, B, C]", "cities: [A, B, C, B]", 5, "data.cities: B stands more than once; keep one"),
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
        ("name: The mode", "name: user_mode", 15, "models.1: a model named 'user_mode' stands above"),
        ("use: slot_mode, name", "use: user_mode, name", 15, "models.1: 'The mode' asks the same as 'user_mode'"),
        ("name: The mode", "name: The | mode", 15, "models.1.name: String should match pattern"),
        ("geobleu@humob24", "geobleu@humob42", 16, "metrics.main: metric 'geobleu@humob42' is not known; did you mean"),
        (
            "[dtw@fixed]",
            "[dtw@fixde]",
            16,
            "metrics.also.0: metric 'dtw@fixde' is not known; did you mean 'dtw@fixed'?",
        ),
        ("[dtw@fixed]", "[geobleu@humob24]", 16, "metrics: geobleu@humob24 is the main metric already"),
        ("seeds: [0, 1]", "seeds: [0, 0]", 20, "seeds: 0 stands more than once; keep one"),
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
        "tiny.yaml:8: splits.0.test: B trains and is tested; with users.roles: city a city does one of both"
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
    assert "--set splits.7.test=[B]: '7' is no index of a list of 2 (from 0)" in found
    assert "--set scales.full.seeds=[1]: a scale is put in before --set; set the part itself" in found
    assert any(m.startswith("--set users.train=[1: this is no YAML") for m in found)


@pytest.mark.parametrize("argument", [[], ["--scale", "full"]])
def test_check_prints_what_would_run(file: Path, argument: list[str]) -> None:
    result = CliRunner().invoke(app, ["check", str(file), *argument])
    assert result.exit_code == 0, result.output
    for words in ("tiny (version 2, scale", "B -> B, C", "A+B -> C", "The mode", "geobleu@humob24 ranks", "note "):
        assert words in result.output


def test_check_says_what_the_data_lack(file: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "city_B.csv").write_text("uid,d,t,x,y\n1,0,0,5,5\n")
    result = CliRunner().invoke(app, ["check", str(file), "--data", f"humob:{tmp_path}/real"])
    assert "cases with C are skipped: not in the data" in result.output
    assert "cases with A, C are skipped: not in the data" in result.output
    absent = CliRunner().invoke(app, ["check", str(file), "--data", f"humob:{tmp_path}/absent"])
    assert isinstance(absent.exception, UserError)
    changed(file, ("synthetic,", '"humob:nowhere",'), (", options: {users: 50}", ""))
    later = CliRunner().invoke(app, ["check", str(file)])
    assert later.exit_code == 0
    assert "humob:nowhere (not here yet: give --data)" in later.output


def test_counts_of_cases_and_fits(file: Path) -> None:
    assert counts(reading.load(file, scale="full")) == (2 * 3 * 2, 0)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_protocols_load_at_every_scale(name: str) -> None:
    path = ROOT / "protocols" / f"{name}.yaml"
    for scale in reading.scales(path):
        read = reading.load(path, scale=scale)
        assert isinstance(read, Protocol)
        assert read.name == name
    first = path.read_text().splitlines()[0]
    assert first.startswith(f"# bench run protocols/{name}.yaml")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_protocol_says_nothing_that_is_the_default(name: str) -> None:
    said = yamlfile.load(ROOT / "protocols" / f"{name}.yaml")
    for key, default in DEFAULTS.items():
        node = said.get(key)
        assert node is None or node.plain() != default, f"{key} is the default; take it out"
        if node is not None and isinstance(default, dict):
            same = [part for part, value in default.items() if (child := node.get(part)) and child.plain() == value]
            assert not same or key == "metrics", f"{key}.{', '.join(same)}: the default; take it out"


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


@pytest.mark.parametrize("scale", ["default", "full"])
@pytest.mark.parametrize("name", SHIPPED)
def test_a_resolved_protocol_asks_the_same(name: str, scale: str, tmp_path: Path) -> None:
    path = ROOT / "protocols" / f"{name}.yaml"
    written = CliRunner().invoke(app, ["check", str(path), "--scale", scale, "--resolved"])
    assert written.exit_code == 0
    (tmp_path / "full.yaml").write_text(written.stdout)
    first, again = reading.load(path, scale=scale), reading.load(tmp_path / "full.yaml")
    assert asked(again) == asked(first)
    assert all(written.stdout.count(f"\n{key}:") == 1 for key in DEFAULTS)
    twice = CliRunner().invoke(app, ["check", str(tmp_path / "full.yaml"), "--resolved"])
    assert twice.stdout == written.stdout


def asked(read: Protocol) -> dict[str, object]:
    """Return all that a run looks at: each model with every setting, and everything but the scale's name."""
    models = [(m.use, m.name, registry.make(m.use, dict(m.settings)).settings.recorded()) for m in read.models]
    return {**read.model_dump(exclude={"models", "scale"}), "models": models}


@given(
    st.one_of(
        st.just("all"),
        st.integers(1, 99),
        st.builds(lambda kind, n: {kind: n}, st.sampled_from(["last", "total"]), st.integers(1, 99)),
        st.builds(
            lambda cities, first, more: {"uids": dict.fromkeys(cities, f"{first}-{first + more}, {first + more + 7}")},
            st.sets(st.sampled_from(["", "B", "C"]), min_size=1),
            st.integers(0, 99),
            st.integers(0, 9),
        ),
    )
)
def test_a_selection_is_written_as_it_is_read(chosen: object) -> None:
    read = Selection.model_validate(chosen)
    assert Selection.model_validate(read.plain()) == read


def test_zero_shot_never_tests_where_it_trained() -> None:
    for scale in ("default", "full"):
        read = reading.load(ROOT / "protocols" / "zero_shot.yaml", scale=scale)
        assert [split.train.cities for split in read.splits] == [("B",), ("C",), ("D",)]
        for split in read.splits:
            assert sorted((*split.train.cities, *split.test)) == ["B", "C", "D"]


def test_few_shot_asks_the_same_people_after_each_number_of_trajectories() -> None:
    read = reading.load(ROOT / "protocols" / "few_shot.yaml")
    assert [split.users.train.n for split in read.splits] == [10, 100, 1000]
    assert len({(str(split.users.test), split.test, split.window) for split in read.splits}) == 1


@pytest.mark.parametrize(("name", "main"), [("humob2024", "geobleu@humob24"), ("giscup2025", "geobleu@giscup25")])
def test_challenges_ask_the_official_users_for_the_official_days(name: str, main: str) -> None:
    for scale in ("default", "full"):
        read = reading.load(ROOT / "protocols" / f"{name}.yaml", scale=scale)
        assert read.window == Window((0, 59), (60, 74))
        assert {str(split.users.test) for split in read.splits} == {"last 3000"}
        assert read.metrics.main == main


def test_the_papers_users_at_full_scale() -> None:
    read = reading.load(ROOT / "protocols" / "paper_table.yaml", scale="full")
    assert ["+".join(split.train.cities) for split in read.splits] == ["B", "C", "D", "A+B"]
    assert all(split.test == ("B", "C", "D") for split in read.splits)
    assert {city: read.users.test.listed(city) for city in "BC"} == {"B": ((17600, 17699),), "C": ((13600, 13699),)}
