"""The loader's promise: a 10-million-row .csv.gz at least twice as fast as pandas, in 2.5 times the compact table.

Run with ``pytest -m bench tests/benchmarks/test_loader_speed.py``.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pytest

from bench.data.files.csvfiles import read_points
from bench.data.trajectories import DTYPES, Trajectories

ROWS = 10_000_000
COMPACT_BYTES = sum(np.dtype(DTYPES[name]).itemsize for name in Trajectories.columns())

MEASURE = """
import sys, threading, psutil
from pathlib import Path
import numpy, pandas, pyarrow, pyarrow.csv
from bench.data.files.csvfiles import read_points
small = Path(sys.argv[1]).with_name("small.csv")
small.write_text("1,0,0,1,1\\n")
read_points(small, city="A")
me, done = psutil.Process(), threading.Event()
start = peak = me.memory_info().rss
def watch():
    global peak
    while not done.wait(0.002):
        peak = max(peak, me.memory_info().rss)
thread = threading.Thread(target=watch)
thread.start()
rows = len(read_points(Path(sys.argv[1]), city="A").visible)
done.set()
thread.join()
print(rows, peak - start)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """10 million rows of 10,000 users, sorted as the challenges' files are, and shuffled."""
    rng = np.random.default_rng(0)
    users, points = ROWS // 1000, 1000
    moment = np.concatenate([np.sort(rng.permutation(75 * 48)[:points]) for _ in range(users)])
    columns = {
        "uid": np.arange(users).repeat(points),
        "d": moment // 48,
        "t": moment % 48,
        "x": rng.integers(20, 180, users).repeat(points) + rng.integers(-5, 6, ROWS),
        "y": rng.integers(20, 180, users).repeat(points) + rng.integers(-5, 6, ROWS),
    }
    table = pa.table({name: column.astype(np.int32) for name, column in columns.items()})
    folder, paths = tmp_path_factory.mktemp("loader"), {}
    for name, rows in (("sorted", table), ("shuffled", table.take(rng.permutation(ROWS)))):
        text, paths[name] = folder / f"{name}.csv", folder / f"{name}.csv.gz"
        pc.write_csv(rows, text)
        with text.open("rb") as source, gzip.open(paths[name], "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        text.unlink()
    return paths


@pytest.mark.bench
def test_a_large_csv_gz_is_read_twice_as_fast_as_by_pandas(benchmark: Any, files: dict[str, Path]) -> None:
    path, rounds = files["sorted"], 3
    pandas_s = min(seconds(lambda: pd.read_csv(path)) for _ in range(rounds))
    table = benchmark.pedantic(lambda: read_points(path, city="A"), rounds=rounds, warmup_rounds=1).visible
    pandas_s = min(pandas_s, seconds(lambda: pd.read_csv(path)))
    benchmark.extra_info["pandas_s"] = round(pandas_s, 2)
    benchmark.extra_info["times_faster"] = round(pandas_s / benchmark.stats["min"], 2)
    print(benchmark.extra_info, f"{benchmark.stats['min']:.2f} s")
    assert len(table) == ROWS
    assert pandas_s / benchmark.stats["min"] >= 2


@pytest.mark.bench
@pytest.mark.parametrize("name", ["sorted", "shuffled"])
def test_peak_memory(files: dict[str, Path], name: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, str(files[name])], capture_output=True, text=True, check=True
    )
    rows, peak = map(int, result.stdout.split())
    times = peak / (rows * COMPACT_BYTES)
    print(f"{name}: {peak / 2**20:.0f} MiB above start-up, {times:.2f} times the compact table")
    assert rows == ROWS
    assert times <= 2.5


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
