"""The direction of imports, as pyproject.toml states it (import-linter)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LINT = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"]
PLANTED = {
    "bench/evaluation/planted.py": "import models.llama_mob\n",
    "baselines/planted.py": "def late():\n    from bench.records import record\n",
    "bench/report/planted.py": "from bench.running import runner\n",
    "bench/data/planted.py": "from bench.leaderboard import build\n",
}


def kept(folder: Path) -> dict[str, bool]:
    """Run import-linter on a checkout; return for each contract whether it holds."""
    run = subprocess.run(LINT, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False)
    found = {name: state == "KEPT" for name, state in re.findall(r"^(.+) (KEPT|BROKEN)", run.stdout, re.MULTILINE)}
    assert found, run.stdout + run.stderr
    return found


def test_imports_go_one_way() -> None:
    found = kept(ROOT)
    assert len(found) == 4
    assert all(found.values()), f"run lint-imports to see what breaks: {[name for name in found if not found[name]]}"


def test_an_import_against_the_direction_is_found(tmp_path: Path) -> None:
    for package in ("bench", "baselines", "models"):
        for path in (ROOT / package).rglob("*.py"):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    for name, text in PLANTED.items():
        (tmp_path / name).write_text(text)
    assert not any(kept(tmp_path).values())
