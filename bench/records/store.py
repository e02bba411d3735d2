"""What runs keep: fits, answers and costs shared by all protocols; records and scores per run. All writes are whole.

OUT/store/fits/ID/       what adapter.save wrote, and fit.json (seconds, memory, facts)
OUT/store/answers/ID.parquet, ID.raw.parquet, ID.json
OUT/store/costs/ID.json
OUT/store/losses/ID.parquet, ID.json
OUT/store/kept/ADAPTER/  what a model keeps from run to run, e.g. a server's answers
OUT/store/scratch/ID/    checkpoints of a fit under way
OUT/RUN/records/ID.json, OUT/RUN/scores/ID.parquet, OUT/RUN/slices/ID.parquet, OUT/RUN/run.json, OUT/RUN/logs/
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.data.trajectories import Answers, Queries
from bench.files import write_text, write_with
from bench.records import record as records
from bench.records.record import Record


class Store:
    """Fits, answers and costs by their identity."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fit(self, fit_id: str) -> Path:
        """Folder of a finished fit (it exists only when whole)."""
        return self.folder / "fits" / fit_id

    def scratch(self, fit_id: str) -> Path:
        """Folder for the checkpoints of a fit."""
        return self.folder / "scratch" / fit_id

    def kept(self, adapter: str) -> Path:
        """Folder of what an adapter keeps from run to run (Needs.keeps)."""
        return self.folder / "kept" / adapter

    def answers(self, answers_id: str) -> Path:
        """Parquet file of the answers."""
        return self.folder / "answers" / f"{answers_id}.parquet"

    def cost(self, cost_id: str) -> Path:
        """JSON file of the cost."""
        return self.folder / "costs" / f"{cost_id}.json"

    def losses(self, losses_id: str) -> Path:
        """Parquet file of the losses of a model's probabilities (bench/running/losses.py)."""
        return self.folder / "losses" / f"{losses_id}.parquet"

    def measured(self, cost_id: str) -> bool:
        """Whether a case's cost is there, with all that a record needs (an older version wrote less)."""
        path = self.cost(cost_id)
        return path.exists() and "learning" in read_json(path)

    def take_up(self, shipped: Path, fit_id: str) -> bool:
        """Copy a fit that ships with a model here, unless one is here or none of its identity ships; say whether."""
        if self.fit(fit_id).exists() or not (shipped / fit_id).is_dir():
            return False
        fits = self.fit(fit_id).parent
        fits.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=fits, prefix=f".{fit_id}."))
        shutil.copytree(shipped / fit_id, part, dirs_exist_ok=True)
        self.commit_fit(part, fit_id)
        return True

    def commit_fit(self, part: Path, fit_id: str) -> None:
        """Move a finished fit into place and drop its checkpoints."""
        target = self.fit(fit_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            shutil.rmtree(part)
        else:
            part.replace(target)
        shutil.rmtree(self.scratch(fit_id), ignore_errors=True)

    @contextlib.contextmanager
    def lock(self, fit_id: str) -> Iterator[None]:
        """Hold a fit's lock: two processes never make the same fit at once; the second finds it done."""
        folder = self.folder / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / fit_id).open("w") as file:
            _lock_file(file.fileno())
            yield


def write_answers(path: Path, answers: Answers, queries: Queries) -> None:
    """Write answers with their keys (city, uid, d, t, x, y, status) as Parquet; raw text beside them.

    Ranked cells follow as x_1, y_1, x_2, ...
    """
    if answers.raw:
        users = list(answers.raw)
        text = {"city": [c for c, _ in users], "uid": [u for _, u in users], "text": [answers.raw[u] for u in users]}
        write_parquet(raw_path(path), text)
    columns = {name: getattr(queries, name) for name in queries.columns()}
    columns["city"] = np.array(queries.cities or ("",))[queries.city]
    columns |= {"x": answers.x, "y": answers.y, "status": answers.status}
    if answers.ranked is not None:
        columns |= {
            f"{'xy'[i]}_{k + 1}": answers.ranked[:, k, i] for k in range(answers.ranked.shape[1]) for i in (0, 1)
        }
    write_parquet(path, columns)


def write_parquet(path: Path, columns: Mapping[str, Any]) -> None:
    """Write columns, whole or not at all."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    write_with(path, lambda part: pq.write_table(pa.table(dict(columns)), part))


def raw_path(path: Path) -> Path:
    """Where the raw text of a language model's answers lies."""
    return path.with_suffix(".raw.parquet")


def read_answers(path: Path) -> Answers:
    """Read what write_answers wrote (without the raw text)."""
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    found = Answers.of(*(table[name].to_numpy() for name in ("x", "y", "status")))
    most = sum(name.startswith("x_") for name in table.column_names)
    if not most:
        return found
    ranked = [np.stack([table[f"{axis}_{k + 1}"].to_numpy() for k in range(most)], axis=1) for axis in "xy"]
    return replace(found, ranked=np.stack(ranked, axis=2))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


class Run:
    """The folder of one protocol's run: its records, scores and manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def record_path(self, cost_id: str) -> Path:
        """JSON file of a case's record."""
        return self.folder / "records" / f"{cost_id}.json"

    def scores_path(self, answers_id: str) -> Path:
        """Parquet file of a case's scores per user."""
        return self.folder / "scores" / f"{answers_id}.parquet"

    def slices_path(self, answers_id: str) -> Path:
        """Parquet file of a case's scores per user and slice."""
        return self.folder / "slices" / f"{answers_id}.parquet"

    def read(self, cost_id: str) -> Record | None:
        """Return the record of a case, or None if there is none (or an unreadable one)."""
        try:
            return records.read(self.record_path(cost_id))
        except (OSError, ValueError):
            return None

    def write(self, record: Record) -> None:
        """Write a record, last of all that belongs to its case."""
        records.write(record, self.record_path(record.identity.cost))

    def write_manifest(self, *, protocol: str, version: int, scale: str, cases: list[str]) -> None:
        """Say which records make up this run."""
        content = {"protocol": protocol, "version": version, "scale": scale, "cases": cases}
        write_json(self.folder / "run.json", content)


def _lock_file(handle: int) -> None:
    try:
        import fcntl
    except ImportError:  # Windows: runs are not shared between processes there
        return
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.ftruncate(handle, 0)
