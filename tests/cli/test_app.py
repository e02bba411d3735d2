"""The command line as a user meets it: names, exit codes, errors without a traceback, nothing heavy on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.adapters import registry
from bench.cli import app

ROOT = Path(__file__).resolve().parents[2]


def bench(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command line in this process; return the exit code."""
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run", "no_such.yaml"], "no_such.yaml"),
        (["run", "protocols/zero_shot.yaml", "--set", "users.tset=3"], "did you mean 'test'"),
        (["run", "protocols/zero_shot.yaml", "--only", "slot_mod"], "slot_mode"),
        (["run", "protocols/zero_shot.yaml", "--scale", "ful"], "full"),
        (["run", "protocols/zero_shot.yaml", "--data", "humob:no_such_folder"], "no_such_folder"),
        (["run", "protocols/zero_shot.yaml", "--data", "humbo:x"], "humob"),
        (["run", "protocols/zero_shot.yaml", "--adapter", "no_such_module:Thing"], "no_such_module"),
        (["run", "protocols/zero_shot.yaml", "--adapter", "outside_models:Thing"], "outside_models:Thing"),
        (["check"], "give a protocol"),
        (["check", "zero_shot", "--adapter", "slot_mode"], "give a protocol"),
        (["check", "--adapter", "slot_mod"], "did you mean 'slot_mode'"),
        (["check", "--adapter", "slot_mode", "--set", "x=1"], "'x' is not known"),
        (["list", "modles"], "models"),
        (["report", "no_such_folder"], "no_such_folder"),
        (["score", "no.csv", "--truth", "no.csv"], "no.csv"),
    ],
)
def test_a_mistake_gets_plain_lines_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str], said: str
) -> None:
    words = [str(ROOT / word) if word.startswith("protocols/") else word for word in words]
    monkeypatch.chdir(tmp_path)
    assert bench(monkeypatch, *words) == 2
    heard = capsys.readouterr()
    assert heard.out == ""
    assert said in heard.err
    assert all(line.startswith("error: ") for line in heard.err.splitlines())
    assert list(tmp_path.iterdir()) == []


MINE = '''
import numpy as np
from bench.adapters.adapter import PerUser


class Mine(PerUser):
    """The user's first cell."""

    name = "mine"

    def answer(self, history, queries, ctx):
        return np.full(len(queries), history.x[0]), np.full(len(queries), history.y[0])
'''
HEAVY = {"torch", "sklearn", "scipy", "numba", "numpy", "pandas", "pyarrow", "yaml", "rich", "optuna"}
LOADED = """
import sys
import typer
before = set(sys.modules)
from bench.cli import app
sys.argv = ["bench", *sys.argv[1:]]
try:
    app.main()
except SystemExit:
    pass
print("LOADED", *sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["study", "--help"], ["data", "--help"]])
def test_help_loads_the_command_line_and_nothing_else(words: list[str]) -> None:
    run = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True, check=True)
    loaded = run.stdout.splitlines()[-1].split()[1:]
    own = [name for name in loaded if name.partition(".")[0] == "bench"]
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    assert len(own) <= 20
    assert not {name for name in own if not name.startswith(("bench.cli", "bench.errors"))} - {"bench"}


def test_list_loads_nothing_heavy() -> None:
    run = subprocess.run([sys.executable, "-c", LOADED, "list"], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in run.stdout.splitlines()[-1].split()[1:]}
    assert not loaded & (HEAVY - {"numpy"})


def test_importing_bench_loads_nothing_else_until_a_name_is_asked_for() -> None:
    code = (
        "import sys; before = set(sys.modules); import bench; print(*(set(sys.modules) - before)); bench.load_protocol"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {name.partition(".")[0] for name in run.stdout.split()} - sys.stdlib_module_names == {"bench"}


def test_every_line_of_the_help_is_whole() -> None:
    runner = CliRunner()
    for words in ([], ["data"]):
        lines = runner.invoke(app.app, [*words, "--help"]).output.splitlines()
        assert len(lines) > 5
        assert not [line for line in lines if line.startswith("  ") and line.endswith("...")]


def test_list_names_everything(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(monkeypatch, "list") == 0
    out = capsys.readouterr().out
    for name in ("slot_mode", "zero_shot", "geobleu@humob24", "humob:FOLDER"):
        assert name in out


def test_run_has_at_most_eight_options() -> None:
    import typer

    command = typer.main.get_command(app.app).commands["run"]  # type: ignore[attr-defined]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    assert len(options) <= 8


def test_check_runs_the_promises_of_a_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bench(monkeypatch, "check", "--adapter", "user_mode") == 0
    heard = capsys.readouterr().out.splitlines()
    assert heard[-1] == "user_mode: keeps every promise"
    assert all(line.startswith("kept ") for line in heard[:-1])
    monkeypatch.setattr(registry, "_extra", {})
    assert bench(monkeypatch, "check", "--adapter", "broken_models:Talks") == 2
    heard = capsys.readouterr().out.splitlines()
    assert heard[-1] == "good: 1 promise(s) broken"
    assert "        fact parameters is a list" in heard


def test_check_of_a_model_says_what_it_lacks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert bench(monkeypatch, "check", "--adapter", "lp_bert") == 2
    assert "pip install 'mobility-bench[lp-bert]'" in capsys.readouterr().err


@pytest.mark.parametrize("target", ["mine:Mine", "mine.py:Mine"])
def test_check_takes_a_model_from_the_current_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, target: str
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    assert bench(monkeypatch, "check", "--adapter", target) == 0, capsys.readouterr().out
    assert capsys.readouterr().out.splitlines()[-1] == "mine: keeps every promise"
