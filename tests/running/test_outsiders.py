"""An outsider's module is never imported by the process that holds the truth."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.adapters import registry
from bench.errors import UserError
from bench.protocol.schema import ModelSpec
from bench.running import outsiders
from bench.running.model import describe

MODEL = """
import sys
from bench.adapters.adapter import Adapter, Settings
from pydantic import Field


class Stranger(Adapter):
    name, version, learns_from = "stranger", 3, "train users"

    class Settings(Settings):
        depth: int = Field(2, ge=1)
        weights: str | None = None

        def recorded(self):
            return {**self.model_dump(mode="json"), "read": open(self.weights).read() if self.weights else None}

    def seen(self):
        return ("A",)

    def predict(self, history, queries, ctx):
        raise NotImplementedError
"""


@pytest.fixture
def target(tmp_path: Path) -> Iterator[str]:
    """A file of an outsider's, in a process that imports none."""
    (tmp_path / "theirs.py").write_text(MODEL)
    outsiders.keep_out()
    yield f"{tmp_path / 'theirs.py'}:Stranger"
    registry._introduce = None
    registry._extra.clear()


def test_a_stand_in_says_what_the_class_says(target: str, tmp_path: Path) -> None:
    assert registry.add(target) == "stranger"
    assert (registry.get("stranger").version, registry.get("stranger").learns_from) == (3, "train users")
    (tmp_path / "weights.txt").write_text("heavy")
    settings = {"depth": 5, "weights": str(tmp_path / "weights.txt")}
    model = describe(ModelSpec(use="stranger", name="deep", settings=settings), "cpu")
    assert (model.name, model.adapter, model.version, model.own) == ("deep", "stranger", 3, False)
    assert model.settings == settings
    assert model.recorded == {**settings, "read": "heavy"}
    assert model.seen == ("A",)
    assert (model.target, model.folder) == (target, str(tmp_path))
    assert not [name for name in sys.modules if name.startswith("theirs")]


def test_wrong_settings_are_told_by_the_class_itself(target: str) -> None:
    registry.add(target)
    with pytest.raises(UserError, match=r"models.bad: model 'stranger': 'dept' is not known; did you mean 'depth'"):
        describe(ModelSpec(use="stranger", name="bad", settings={"dept": 1}), "cpu")


def test_hidden_files_are_not_read_for_a_description(target: str, tmp_path: Path) -> None:
    registry.add(target)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "city_C.csv").write_text("the truth")
    spec = ModelSpec(use="stranger", name="nosy", settings={"weights": str(tmp_path / "data" / "city_C.csv")})
    with pytest.raises(UserError, match="Permission"):
        describe(spec, "cpu", [tmp_path / "data" / "city_C.csv"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("raise RuntimeError('no\\nway')", "cannot import"),
        ("import os; os._exit(5)", "ended with code 5"),
        ("", "holds no"),
    ],
)
def test_a_module_that_cannot_be_had_is_an_error_of_one_line(target: str, tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "theirs.py").write_text(text)
    with pytest.raises(UserError, match=says) as told:
        registry.add(target)
    assert len(told.value.messages) == 1
    assert "\n" not in told.value.messages[0]
