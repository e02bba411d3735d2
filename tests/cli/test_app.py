"""The command line as a user meets it: names, exit codes, errors without a traceback, nothing heavy on the way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


def test_help_and_list_import_nothing_heavy() -> None:
    heavy = ["torch", "sklearn", "scipy", "numba", "pandas", "pyarrow"]
    for words in (["--help"], ["run", "--help"], ["list"]):
        code = (
            "import sys; from bench.cli import app; sys.argv = ['bench', *sys.argv[1:]]\n"
            "try: app.main()\nexcept SystemExit: pass\n"
            f"print('LOADED', [name for name in {heavy} if name in sys.modules])"
        )
        run = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
        assert run.stdout.splitlines()[-1] == "LOADED []"


def test_list_names_everything(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench(monkeypatch, "list") == 0
    out = capsys.readouterr().out
    for name in ("slot_mode", "protocols/zero_shot.yaml", "geobleu@humob24", "humob:FOLDER"):
        assert name in out


def test_run_has_at_most_eight_options() -> None:
    import typer

    command = typer.main.get_command(app.app).commands["run"]  # type: ignore[attr-defined]
    options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
    assert len(options) <= 8
