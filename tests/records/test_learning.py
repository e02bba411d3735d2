"""What a run's records say of learning, of a single user, and of a store that an older version wrote."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.adapters.origin import Learning
from bench.data.sources import open_source
from bench.protocol import reading
from bench.records.record import SCHEMA, Record
from bench.records.store import read_json
from bench.running import hardware, runner
from bench.running.progress import Lines

TEXT = """\
schema: 1
name: tiny
version: 1
about: One test user, one model.
data: {source: synthetic, cities: [B, C], seed: 5, options: {users: 30}}
window: {history: [50, 58], horizon: [60, 61]}
splits:
  - {train: {cities: [B], days: [50, 61]}, test: [C]}
users: {train: 5, test: 1}
models: [slot_mode]
metrics: {main: geobleu@humob24}
floor: false
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tiny.yaml").write_text(TEXT)
    return tmp_path


def run(folder: Path) -> tuple[Path, Record]:
    """Run the protocol; return its cost file and its record."""
    wanted = reading.load(folder / "tiny.yaml")
    source = open_source(wanted.data.source, seed=wanted.data.seed, options=dict(wanted.data.options))
    done = runner.run(wanted, source, folder / "runs", hardware.detect(1, "cpu"), Lines(Console(file=io.StringIO())))
    (case,) = read_json(done.folder / "run.json")["cases"]
    record = done.read(case)
    assert record is not None
    return folder / "runs" / "store" / "costs" / f"{case}.json", record


def test_records_say_what_was_learned_and_an_older_store_is_measured_again(folder: Path) -> None:
    cost, record = run(folder)
    assert (record.status, record.schema_version, record.learning) == ("done", SCHEMA, Learning())
    assert (record.scores[record.main].low, record.scores[record.main].high) == (None, None)
    content = read_json(cost)
    del content["learning"]
    cost.write_text(json.dumps(content))
    for path in (folder / "runs" / "tiny" / "records").glob("*.json"):
        path.write_text(path.read_text().replace(f'"schema_version": {SCHEMA}', '"schema_version": 1'))
    again, record = run(folder)
    assert (record.status, record.learning) == ("done", Learning())
    assert "learning" in read_json(again)
