"""Study files: what they become, and every fault at once with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_text import TEXT

from bench.errors import UserError
from bench.protocol.reading import scales
from bench.study.spec import reading
from bench.study.spec.placing import place, protocol_at
from bench.study.spec.schema import Study, choices

STUDIES = sorted((Path(__file__).resolve().parents[3] / "protocols" / "studies").glob("*.yaml"))


def load(tmp_path: Path, *overrides: str, text: str = TEXT) -> Study:
    """Read the study of the first model."""
    path = tmp_path / "tiny.yaml"
    path.write_text(text)
    return reading.load(path, overrides=overrides)[0]


def faults(tmp_path: Path, *overrides: str, text: str = TEXT) -> list[str]:
    """Read a study that is wrong."""
    with pytest.raises(UserError) as raised:
        load(tmp_path, *overrides, text=text)
    return list(raised.value.messages)


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_shipped_studies_are_right_at_every_scale(path: Path) -> None:
    for scale in scales(path):
        for study in reading.load(path, scale=scale):
            assert study.total > 0
            assert study.protocol.name == path.stem


def test_a_study_has_every_point_of_its_space(tmp_path: Path) -> None:
    study = load(tmp_path)
    assert study.total == 6
    assert study.points()[:3] == [
        {"cities": "B", "users.train": 10},
        {"cities": "B", "users.train": '{"total":10}'},
        {"cities": "C", "users.train": 10},
    ]


def test_a_trial_asks_validation_users_and_the_end_asks_test_users(tmp_path: Path) -> None:
    study = load(tmp_path)
    split = protocol_at(study, study.points()[5]).splits[0]
    assert (split.train.cities, split.users.train.kind, split.asked) == (("B", "C"), "total", 5)
    assert protocol_at(study, study.points()[5], test=True).splits[0].asked is None


def test_no_city_is_the_fallback_or_the_untuned_model(tmp_path: Path) -> None:
    study = load(tmp_path)
    assert [model.use for model in protocol_at(study, None).models] == ["fallback"]
    text = TEXT.replace("models: [user_mode, {use: kernel_vote}]", "models: [candidate_boosting]")
    study = load(tmp_path, "study.untuned={models.candidate_boosting.trees: 1}", text=text)
    (model,) = protocol_at(study, None).models
    assert (model.use, model.settings) == ("candidate_boosting", {"trees": 1})


def test_the_untuned_state_is_each_models_own(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT + "  untuned: {models.kernel_vote.slot_width: 1.0}\n")
    assert [study.untuned for study in reading.load(path)] == [{}, {"models.kernel_vote.slot_width": 1.0}]


def test_readers_see_settings_without_the_models_name() -> None:
    from bench.study.spec.points import labels, shown

    point = {"cities": "A+B", "models.lp_bert.loss": "proximity", "users.train": '{"total":240}'}
    assert list(labels(point)) == ["cities", "loss", "users.train"]
    assert shown(point) == "A+B, loss proximity, 240 in all"
    assert shown({"users.train": 60}) == "60 a city"
    assert shown({"shares.A": 0.0, "users.train": 9, "shares.B": 0.25}) == "9 a city, shares A 0, B 0.25"
    assert shown({"users.train": '{"last":9}'}) == "last 9"


def test_a_share_of_0_leaves_a_city_out_and_all_0_is_no_city(tmp_path: Path) -> None:
    axis = "{low: 0, high: 1, step: 0.5}"
    study = load(tmp_path, f"study.space={{shares.B: {axis}, shares.C: {axis}}}")
    assert choices(study.axes[0]) == (0.0, 0.5, 1.0)
    assert protocol_at(study, {"shares.B": 0.0, "shares.C": 0.5}).splits[0].train.cities == ("C",)
    assert place(study.document, study.axes, {"shares.B": 0.0, "shares.C": 0.0}) is None


def test_a_setting_varies_in_its_own_model_only(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT.replace("    users.train:", "    models.kernel_vote.slot_width: [1.0, 2.0]\n    users.train:"))
    names = [[axis.name for axis in study.axes] for study in reading.load(path)]
    assert names == [["cities", "users.train"], ["cities", "models.kernel_vote.slot_width", "users.train"]]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("study.objectives={geobleu@humob24: }", "a direction is needed, maximize or minimize, not nothing"),
        (
            "study.objectives={geobleu@humob24: upward}",
            "a direction is needed, maximize or minimize, not text ('upward')",
        ),
        ("study.objectives={geoblue@humob24: maximize}", "did you mean 'geobleu@humob24'?"),
        ("study.objectives={dtw@fixed: maximize}", "study.objectives.dtw@fixed: the lower is better; write minimize"),
        ("study.objectives={}", "study.objectives"),
        ("study.space={cities: {subsets: [B, E]}}", "study.space.cities: city 'E' is not among data.cities"),
        ("study.space={cities: [B, C]}", "each choice is a list of cities; write [[B], [B, C]] or {subsets: [B, C]}"),
        ("study.space={shares.E: [0, 1]}", "study.space.shares.E: city 'E' does not train here"),
        ("study.space={models.kernel_vote.bandwith: [1]}", "study.space.models.kernel_vote.bandwith: unknown key"),
        ("study.space={models.kernel_vot.bandwidth: [1]}", "no such model"),
        ("study.space={users.trian: [3]}", "did you mean 'train'?"),
        ("study.space={users.train: []}", "at least one value"),
        ("study.space={users.train: [3, 3]}", "a value appears twice"),
        ("study.space={users.train: {low: 9, high: 3}}", "study.space.users.train"),
        ("study.space={users.train: {low: 9, hihg: 30}}", "{low, high, step, log}"),
        ("study.space={cities: {subsets: [B, B]}}", "different names"),
        ("study.space={shares.B: {low: 0, high: 1}}", "BruteForceSampler needs a finite space; give shares.B a step"),
        ("study.sampler=TPESamler", "did you mean 'TPESampler'?"),
        ("study.sampler={TPESampler: {sed: 1}}", "TPESampler takes no 'sed'; did you mean 'seed'?"),
        ("study.pruner=MedianPruner", "Optuna prunes studies of one objective only"),
        ("study.untuned={models.kernel_vote.stesp: 0}", "study.untuned.models.kernel_vote.stesp: unknown key"),
        ("study.asked=0", "study.asked"),
        ("study.n_trails=3", "did you mean 'n_trials'?"),
        ("study=3", "a mapping (key: value) is needed"),
        ("users.validate=all", "leaves nobody for trials to ask"),
        ("users.tset=3", "did you mean 'test'?"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, override: str, said: str) -> None:
    assert said in "\n".join(faults(tmp_path, override))


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ("trajectories: minimize", "trajectories: maximize", 21),
        ("trajectories: minimize", "trajectories:", 21),
        ("subsets: [B, C]", "subsets: [B, E]", 17),
        ("users.train: [10", "users.trian: [10", 18),
    ],
)
def test_one_fault_is_one_line_that_names_its_place(tmp_path: Path, right: str, wrong: str, line: int) -> None:
    (found,) = faults(tmp_path, text=TEXT.replace(right, wrong))
    assert f"tiny.yaml:{line}: study." in found


def test_all_faults_come_at_once_with_their_lines(tmp_path: Path) -> None:
    text = (
        TEXT.replace("asked: 5", "asked: none")
        .replace("test: 6", "tset: 6")
        .replace("subsets: [B, C]", "subsets: [B, E]")
    )
    found = faults(tmp_path, text=text)
    lines = {int(message.split(".yaml:")[1].split(":")[0]) for message in found}
    assert {9, 15} <= lines


def test_a_city_without_validation_users_cannot_be_asked(tmp_path: Path) -> None:
    found = faults(tmp_path, "users.roles=city", text=TEXT.replace("test: [C, D]", "test: [D]"))
    assert "no validation users to ask; use hash" in found[0]


def test_an_endless_space_needs_a_total(tmp_path: Path) -> None:
    space = "study.space={shares.B: {low: 0, high: 1}}"
    assert "the space is infinite (shares.B)" in faults(tmp_path, space, "study.sampler=TPESampler")[0]
    assert load(tmp_path, space, "study.sampler=TPESampler", "study.n_trials=9").total == 9


def test_a_protocol_without_a_study_is_told_so(tmp_path: Path) -> None:
    assert "run this protocol with bench run" in faults(tmp_path, text=TEXT[: TEXT.index("study:")])[0]


def test_help_of_studies_imports_no_optuna() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from bench.cli import app; sys.argv = ['bench', 'study', '--help']\n"
        "try: app.main()\nexcept SystemExit: pass\n"
        "print('LOADED', [name for name in ('optuna', 'torch', 'pandas', 'altair') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "LOADED []"
