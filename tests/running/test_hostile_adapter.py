"""An adapter that reaches for the truth, the store and the runner gets none of them (docs/trust.md).

``tests/hostile_models.py`` holds the tries. They run once, against a run from the command line: at the import, in
``skip`` and in ``fit``, on files of data, with a rival's answers in the store.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hostile_models import KEPT_OUT, REACHED, TRIES, disguise

from bench.data.convert import write_points
from bench.data.files.blocks import Points
from bench.data.sources import open_source
from bench.data.trajectories import Queries
from bench.records.record import Record
from bench.records.record import read as read_record
from bench.running.confinement import available

TEXT = """\
schema: 1
name: cheat
version: 1
about: Few users, one week.
data: {{source: synthetic, cities: [B, C]}}
window: {{history: [50, 58], horizon: [60, 61]}}
splits:
  - {{train: {{cities: [B], days: [0, 74]}}, test: [C]}}
users: {{train: 20, validate: 5, test: 6}}
floor: false
models:
  - user_mode
  - {{use: hostile, name: tells, settings: {{tells: true, paths: {paths}}}}}
  - {{use: hostile, name: works, settings: {{paths: {paths}}}}}
metrics: {{main: geobleu@humob24}}
answers: {{fallback: last_cell, most_filled: 0.05}}
seeds: [0]
limits: {{fit_seconds: 60, predict_seconds: 60}}
"""
TESTS = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(not available(), reason="this system has no Landlock: workers are not confined")


# What fails for want of rights or of a second process even where nobody defends anything, and what would disturb tests
# that run beside: these write, for a moment, into folders that other processes import from.
NOT_EVERYWHERE = {
    *("mounted", "kernel_memory", "hard_link", "parents_debugger", "parents_memory", "parents_memory_by_call"),
    *("project_written", "compiled_written", "site_packages_written"),
}
# A process that does what a careless runner does: it holds the truth, the data's folder stands in its command line and
# its environment, a file of the data is open, and a child of it runs the model.
CARELESS = """\
import json, os, sys
from pathlib import Path
from bench.data.sources import open_source
import hostile_models
paths = json.loads(sys.argv[1])
class Prepared:
    truth = open_source("synthetic", seed=5, options={"users": 60}).load("C")
prepared = Prepared()
opened = open(Path(paths["source"]) / "city_C.csv.gz")
def run():
    held = prepared
    model = hostile_models.Hostile(hostile_models.Hostile.Settings(paths=hostile_models.disguise(paths)))
    hostile_models.TRIES = {name: hostile_models.TRIES[name] for name in sys.argv[2].split()}
    return model.outcomes()
if child := os.fork():
    os.waitpid(child, 0)
else:
    print(json.dumps(run()))
"""


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the run."""
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="module")
def records(at: Path) -> dict[str, Record]:
    """Run the tries; return the records by model."""
    places = {name: at / name for name in ("data", "cache", "home", "runs")}
    for place in places.values():
        place.mkdir()
    (places["home"] / "secret.txt").write_text("private")
    source = open_source("synthetic", seed=5, options={"users": 60})
    for city in source.cities():
        write_points(places["data"] / f"city_{city}.csv.gz", Points(source.load(city), Queries.empty((city,))))
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join((str(TESTS.parent), str(TESTS))),
        "MOBILITY_BENCH_CACHE": str(places["cache"]),
        "HOME": str(places["home"]),
    }

    def run(*more: str, **paths: str) -> None:
        (at / "cheat.yaml").write_text(TEXT.format(paths=disguise(paths)))
        command = [sys.executable, "-m", "bench.cli.app", "run", str(at / "cheat.yaml"), *more]
        command += ["--data", f"humob:{at / 'data'}", "--out", str(places["runs"])]
        command += ["--adapter", "hostile_models:Hostile"]
        subprocess.run(command, env=env, cwd=at, check=True, capture_output=True, text=True)

    run("--only", "user_mode")
    rival = next((places["runs"] / "store" / "answers").glob("*.parquet"))
    run(source=str(places["data"]), rival=rival.name, **{name: str(path) for name, path in places.items()})
    assert not (at / "stolen").exists(), "the module was imported by a process that reaches the data"
    found = [read_record(path) for path in (places["runs"] / "cheat-humob" / "records").glob("*.json")]
    return {record.case.model: record for record in found}


@pytest.mark.parametrize("name", TRIES)
def test_what_a_model_tries_in_fit_fails(records: dict[str, Record], name: str) -> None:
    assert str(records["works"].facts[name]).startswith(KEPT_OUT)


def test_what_a_model_tries_in_skip_fails(records: dict[str, Record]) -> None:
    assert str(records["tells"].reason) == f"tried {len(TRIES)}, reached:"


def test_the_run_goes_on_and_records_say_that_it_was_confined(records: dict[str, Record]) -> None:
    assert {name: record.status for name, record in records.items()} == {
        "user_mode": "done",
        "tells": "skipped",
        "works": "done",
    }
    assert records["works"].confined is True
    assert records["user_mode"].confined is True


@pytest.mark.usefixtures("records")
def test_where_nothing_is_defended_the_tries_reach(at: Path) -> None:
    """Otherwise a try could fail above because it is badly made, or because there is nothing to find."""
    places = {name: str(at / name) for name in ("data", "cache", "home", "runs")}
    rival = next((at / "runs" / "store" / "answers").glob("*.parquet"))
    paths = json.dumps({"source": places["data"], "rival": rival.name, **places})
    env = {**os.environ, "PYTHONPATH": os.pathsep.join((str(TESTS.parent), str(TESTS))), "CACHE": places["cache"]}
    expected = [name for name in TRIES if name not in NOT_EVERYWHERE]
    command = [sys.executable, "-c", CARELESS, paths, " ".join(expected)]
    told = subprocess.run(command, env=env, cwd=at, check=True, capture_output=True, text=True).stdout
    found = json.loads(told)
    assert {name: outcome for name, outcome in found.items() if not outcome.startswith(REACHED)} == {}
    assert list(found) == expected
    assert (at / "stolen").exists(), "what the module does at its import"
