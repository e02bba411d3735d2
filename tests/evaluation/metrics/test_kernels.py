"""Compiled functions: their cache can be raced for, be out of reach, or be of another version; means equal numpy's."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba.core import caching

from bench.evaluation.metrics.kernels import jit, mean_over_days, per_day

MODULE = """
from bench.evaluation.metrics.kernels import jit

@jit("float64(float64)")
def change(x):
    return x + {number}
"""


def run(folder: Path, *, wait: bool = True) -> subprocess.Popen[str]:
    code = "import sys; sys.path.insert(0, '.'); import made; print(made.change(1.0), made.change.stats.cache_hits)"
    elsewhere = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=folder, stdout=subprocess.PIPE, text=True, env=elsewhere
    )
    if wait:
        process.wait()
    return process


def said(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate()
    assert process.returncode == 0
    return out.split()


def test_processes_may_race_and_later_ones_find_the_cache(tmp_path: Path) -> None:
    (tmp_path / "made.py").write_text(MODULE.format(number=1.0))
    racing = [run(tmp_path, wait=False) for _ in range(2)]
    assert [said(process)[0] for process in racing] == ["2.0"] * 2
    assert len(list(tmp_path.glob("__pycache__/made.change_*.nbi"))) == 1
    assert list(tmp_path.glob("__pycache__/*.tmp.*")) == []


def test_changed_code_never_meets_an_old_cache(tmp_path: Path) -> None:
    """Even where the time and size of the source, by which numba goes, stay the same."""
    source = tmp_path / "made.py"
    source.write_text(MODULE.format(number=1.0))
    os.utime(source, (1_000_000_000, 1_000_000_000))
    assert said(run(tmp_path))[0] == "2.0"
    source.write_text(MODULE.format(number=5.0))
    os.utime(source, (1_000_000_000, 1_000_000_000))
    for cached in tmp_path.glob("__pycache__/made.cpython*"):
        cached.unlink()  # Python's own cache goes by time and size, too
    assert said(run(tmp_path))[0] == "6.0"


def test_without_a_folder_for_the_cache_it_compiles_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(self: object) -> None:
        raise OSError("read-only file system")

    monkeypatch.setattr(caching._CacheLocator, "ensure_cache_path", refuse)
    (tmp_path / "made_elsewhere.py").write_text(textwrap.dedent(MODULE.format(number=2.0)))
    monkeypatch.syspath_prepend(tmp_path)
    import made_elsewhere  # type: ignore[import-not-found]

    assert made_elsewhere.change(1.0) == 3.0
    assert list(tmp_path.glob("**/*.nb?")) == []


@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.integers(0, 99))
def test_means_are_numpys_to_the_last_bit(days: list[int], seed: int) -> None:
    first = np.concatenate([[0], np.cumsum(days)])
    values = np.random.default_rng(seed).random((first[-1], 2)) * 100
    means = mean_over_days(values, first)
    for user, (a, b) in enumerate(pairwise(first)):
        for column in range(2):
            assert means[user, column] == np.mean(values[a:b, column].copy())


@given(st.lists(st.integers(1, 48), min_size=1, max_size=300), st.integers(1, 5))
def test_every_day_is_done_once(counts: list[int], threads: int) -> None:
    starts = np.concatenate([[0], np.cumsum(counts)])
    done = np.zeros(len(counts), int)

    def kernel(first: int, last: int, _starts: np.ndarray) -> None:
        done[first:last] += 1

    per_day(kernel, starts, threads)
    assert (done == 1).all()


def test_a_fault_in_a_thread_is_not_lost() -> None:
    def kernel(first: int, last: int, _starts: np.ndarray) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        per_day(kernel, np.arange(400), 2)


def test_compiled_functions_take_one_signature() -> None:
    @jit("float64(float64)")
    def twice(x):  # type: ignore[no-untyped-def]
        return 2 * x

    assert twice(3.0) == 6.0
    with pytest.raises(TypeError):
        twice("3")
