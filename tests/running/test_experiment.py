"""The Python interface: load a protocol, run it, read what it left."""

from __future__ import annotations

from pathlib import Path

import pytest

import bench
from bench.errors import UserError
from bench.records import RunContent

TEXT = """\
schema: 1
name: tiny
version: 1
about: Two statistics of one city.
data: {source: synthetic, cities: [B, C], seed: 1, options: {users: 60}}
window: {history: [50, 59], horizon: [60, 61]}
splits: [{train: {cities: [B], days: [50, 61]}, test: [C]}]
users: {train: 10, test: 5}
models: [slot_mode, user_mode]
metrics: {main: geobleu@humob24, also: [dtw@fixed]}
"""


class Quiet:
    """Progress that nobody hears."""

    def __getattr__(self, name: str) -> object:
        return lambda *_: None


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunContent:
    folder = tmp_path_factory.mktemp("api")
    (folder / "tiny.yaml").write_text(TEXT)
    return bench.run(bench.load_protocol(folder / "tiny.yaml"), folder / "runs", progress=Quiet())


def test_a_run_reads_as_data_frames(run: RunContent) -> None:
    assert run.cases[["model", "test_city", "status"]].values.tolist() == [
        ["slot_mode", "C", "done"],
        ["user_mode", "C", "done"],
    ]
    assert len(run.scores) == 2 * 5
    means = run.scores.groupby("case")["geobleu@humob24"].mean()
    stated = run.cases.set_index("case")["geobleu@humob24"]
    assert means[stated.index].tolist() == pytest.approx(stated.tolist())


def test_what_a_run_left_is_read_again_from_its_folder(run: RunContent) -> None:
    again = bench.records.read_run(str(run.folder))
    assert again.cases.equals(run.cases)
    assert again.scores.equals(run.scores)


def test_names_that_do_not_exist_are_said() -> None:
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = bench.runn
    with pytest.raises(UserError, match="did you mean 'zero_shot'"):
        bench.load_protocol("zeroshot")
    assert all(getattr(bench, name) for name in bench.__all__)


def test_a_shipped_protocol_is_loaded_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert bench.load_protocol("zero_shot", only=["slot_mode"]).name == "zero_shot"
