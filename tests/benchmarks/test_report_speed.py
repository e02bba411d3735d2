"""How long `bench report` takes, start of Python included. Aim: under 2 s for 15 models, 3 cities, 100 users each."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from mock_run import TYPICAL, make_run
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.bench
def test_report_of_fifteen_models_and_three_cities(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    make_run(tmp_path, TYPICAL[:15], [("B", ("B", "C", "D"))], users=100)
    command = [sys.executable, "-m", "bench.cli.app", "report", str(tmp_path)]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=3, warmup_rounds=1)
