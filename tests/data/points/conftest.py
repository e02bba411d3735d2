"""Short ways to write a file of points and to convert it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.data.points.conversion import Converted, convert_points

Convert = Callable[..., Converted]


@pytest.fixture
def convert(tmp_path: Path) -> Convert:
    """Write text into a file and convert it; by default near Beijing, every slot with a fix stays."""

    def run(text: str, layout: str = "found", name: str = "points.csv", **options: Any) -> Converted:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        given = {"min_rows": 1} | options
        if layout in ("found", "movebank") and "time_is" not in given:
            given.setdefault("timezone", "Asia/Shanghai")
        return convert_points(path, "X", layout, given)

    return run
