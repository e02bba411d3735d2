"""Conversion: 10 million fixes become a written city within twelve times the time that pandas takes to read them.

It prints fixes a second (500,000 on 2 cores are promised): ``pytest -m bench tests/benchmarks/test_points_speed.py``.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pytest

from bench.data.points.conversion import convert_points, write_city

FIXES = 10_000_000
USERS = 2_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """10 million fixes about Beijing, one each ten minutes for 35 days; by user and time, and shuffled."""
    rng = np.random.default_rng(0)
    user = np.arange(USERS).repeat(FIXES // USERS)
    ms = 1_700_000_000 + np.tile(np.arange(FIXES // USERS), USERS) * 600 + rng.integers(0, 300, FIXES)
    table = pa.table(
        {
            "user": pc_names(user),
            "time": pa.array(ms.astype("datetime64[s]")),
            "lon": np.round(116.4 + 0.2 * np.sin(user) + 0.02 * rng.standard_normal(FIXES), 5),
            "lat": np.round(39.9 + 0.2 * np.cos(user) + 0.02 * rng.standard_normal(FIXES), 5),
        }
    )
    folder = tmp_path_factory.mktemp("points")
    for name, rows in (("sorted", table), ("shuffled", table.take(rng.permutation(FIXES)))):
        pc.write_csv(rows, folder / f"{name}.csv")
    return {name: folder / f"{name}.csv" for name in ("sorted", "shuffled")}


def pc_names(user: np.ndarray) -> pa.Array:
    names = pa.array([f"u{i:05}" for i in range(USERS)])
    return pa.DictionaryArray.from_arrays(user.astype(np.int32), names).cast(pa.string())


@pytest.mark.bench
@pytest.mark.parametrize("rule", ["last", "longest"])
@pytest.mark.parametrize("name", ["sorted", "shuffled"])
def test_ten_million_fixes(files: dict[str, Path], tmp_path: Path, name: str, rule: str) -> None:
    began = time.perf_counter()
    pd.read_csv(files[name], parse_dates=["time"])
    pandas_s = time.perf_counter() - began
    began = time.perf_counter()
    made = convert_points(files[name], "X", "found", {"timezone": "Asia/Shanghai", "rule": rule})
    write_city(tmp_path / "city_X.parquet", made)
    seconds = time.perf_counter() - began
    print(f"{name}, {rule}: {FIXES / seconds:,.0f} fixes a second; {seconds:.1f} s, pandas reads {pandas_s:.1f} s")
    assert made.report["rows in"] == FIXES
    assert seconds < 12 * pandas_s
