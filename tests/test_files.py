"""Files written whole or not at all, and what killed processes leave."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.files import sweep, write_text, write_with

DIE = "import os, sys; from pathlib import Path; from bench.files import write_with\n"
DIE += "write_with(Path(sys.argv[1]), lambda part: os._exit(9))"


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")

    def fail(part: Path) -> None:
        part.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_with(tmp_path / "a.txt", fail)
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_sweep_takes_what_a_killed_process_left_and_spares_the_living_and_other_machines(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", DIE, str(tmp_path / "a.txt")], check=False)
    left = list(tmp_path.iterdir())
    assert len(left) == 1
    pid = left[0].name.rsplit(".", 2)[-2].rpartition("-")[2]
    elsewhere = tmp_path / f".b.txt.x.00000000-{pid}.part"
    living = tmp_path / left[0].name.replace(f"-{pid}.part", f"-{os.getpid()}.part")
    for path in (elsewhere, living):
        path.write_text("half")
    sweep(tmp_path)
    assert set(tmp_path.iterdir()) == {elsewhere, living}
