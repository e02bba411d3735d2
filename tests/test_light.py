"""The core without any extra: a run goes through, and says what to install for the models that it leaves out."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import bench

ROOT = Path(__file__).resolve().parents[1]
ABSENT = """
import importlib.machinery

EXTRAS = {
    "accelerate", "altair", "bitsandbytes", "filelock", "huggingface_hub", "jinja2", "optuna", "peft", "psycopg",
    "safetensors", "tokenizers", "torch", "transformers", "vl_convert",
}
found = importlib.machinery.PathFinder.find_spec


def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in EXTRAS else found(name, path, target)


importlib.machinery.PathFinder.find_spec = staticmethod(find_spec)
"""
TEXT = """\
schema: 1
name: light
about: A model of the core, and two of extras.
data: {cities: [B, C], options: {users: 60}}
window: {history: [50, 59], horizon: [60, 61]}
splits: [{train: {cities: [B]}, test: [C]}]
users: {train: 10, test: 5}
models: [slot_mode, lp_bert, llama_mob]
floor: false
"""


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The start of a command line that finds no extra, in an empty folder."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(ABSENT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path / "site"), str(ROOT))))
    monkeypatch.chdir(tmp_path)
    return [sys.executable, "-m", "bench.cli.app"]


def test_a_run_without_extras_leaves_out_what_needs_them(command: list[str]) -> None:
    Path("light.yaml").write_text(TEXT)
    run = subprocess.run([*command, "run", "light.yaml"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    cases = bench.records.read_run("runs/light").cases.set_index("model")
    assert cases.status.to_dict() == {
        "slot_mode": "done",
        "lp_bert": "skipped",
        "llama_mob": "skipped",
    }
    assert cases.reason["lp_bert"] == "not installed: pip install 'mobility-bench[lp-bert]'"
    assert run.stderr.count("skipped: llama_mob: not installed: pip install 'mobility-bench[llm]'") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["study", "data_mix"], "pip install 'mobility-bench[study]'"),
        (["profile", "lp_bert"], "pip install 'mobility-bench[lp-bert]'"),
        (["check", "--adapter", "llama_mob"], "pip install 'mobility-bench[llm]'"),
    ],
)
def test_a_command_that_needs_an_extra_names_it(command: list[str], words: list[str], said: str) -> None:
    run = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert said in run.stderr
    assert run.stderr.startswith("error: ")
