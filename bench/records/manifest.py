"""A run's folder: its manifest, the records it names, and which of them are not there yet."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from bench.errors import UserError
from bench.files import write_with
from bench.records import frames
from bench.records import record as records
from bench.records.record import Record

if TYPE_CHECKING:
    import pandas as pd

MANIFEST = "run.json"
STORE = "store"  # beside the folders of runs
PUBLISHED = ("scores", "answers")  # of synthetic people
OURS = re.compile(r"[0-9a-f]{20}\.(json|parquet)")  # names of records, scores and slices


class Manifest(BaseModel):
    """Which cases make up a run."""

    protocol: str
    version: int
    scale: str | None = None
    cases: tuple[str, ...]


@dataclass(frozen=True)
class RunContent:
    """A run as it lies in its folder. absent: identities of planned cases without a record."""

    folder: Path
    manifest: Manifest
    records: tuple[Record, ...]
    absent: tuple[str, ...]

    @cached_property
    def cases(self) -> pd.DataFrame:
        """One row a case: what was asked, status, means and intervals, costs (see :func:`frames.cases`)."""
        return frames.cases(self.records)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row a case and user (see :func:`frames.scores`)."""
        return frames.scores(self.records, self.folder)

    @cached_property
    def answers(self) -> pd.DataFrame:
        """One row a case and query, where the store lies beside the run's folder (see :func:`frames.answers`)."""
        return frames.answers(self.records, self.store)

    @cached_property
    def costs(self) -> pd.DataFrame:
        """One row a done case (see :func:`frames.costs`)."""
        return frames.costs(self.records)

    @property
    def store(self) -> Path:
        """Folder of answers: ``runs/store`` of ``runs/zero_shot``, and of ``runs/STUDY/test``."""
        folders = [parent / "store" for parent in self.folder.resolve().parents[:2]]
        return next((folder for folder in folders if folder.is_dir()), folders[0])

    @cached_property
    def slices(self) -> pd.DataFrame:
        """One row a case, metric and slice (moves, new cells, hours, days): see :func:`frames.slices`."""
        return frames.slices(self.records)

    @cached_property
    def user_slices(self) -> pd.DataFrame:
        """One row a case, user and slice (see :func:`frames.user_slices`)."""
        return frames.user_slices(self.records, self.folder)

    @cached_property
    def agreements(self) -> pd.DataFrame:
        """One row a pair of seeds of one model (see :func:`frames.agreements`)."""
        return frames.agreements(self.records)


def read_run(folder: Path | str) -> RunContent:
    """Read a run's manifest and records. Raises UserError where there is none or one cannot be read."""
    folder = Path(folder)
    path = folder / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        hint = "give a run's folder, e.g. runs/zero_shot"
        raise UserError(f"{folder}: there is no {MANIFEST} here; {hint}") from None
    except (OSError, ValidationError) as error:
        raise UserError(f"{path}: cannot be read ({_first_line(error)}); run the protocol again") from None
    found, absent = [], []
    unread: dict[str, list[Path]] = {}
    for case in dict.fromkeys(manifest.cases):
        file = folder / "records" / f"{case}.json"
        try:
            found.append(records.read(file))
        except FileNotFoundError:
            absent.append(case)
        except (OSError, ValueError) as error:
            unread.setdefault(_first_line(error), []).append(file)
    if unread:
        raise UserError(*(_unreadable(files, why) for why, files in unread.items()))
    return RunContent(folder, manifest, tuple(found), tuple(absent))


def file_of(content: RunContent, record: Record, kind: str) -> Path | None:
    """Find a record's scores or answers: in the run's folder, or in the store beside it; None where it is not here."""
    name = record.files.get(kind)
    places = (content.folder, content.folder.parent / STORE, content.folder.parent.parent / STORE)
    return next((folder / name for folder in places if (folder / name).is_file()), None) if name else None


def publish(content: RunContent, to: Path) -> None:
    """Copy a run's manifest and records into a folder of results, and drop what an earlier run left there.

    Scores and answers of single users go along where all people are synthetic, so that leaderboard and page can be made
    again. Of real people only the records go: aggregates, without the paths of scores and answers.
    """
    synthetic = all(record.data.synthetic for record in content.records if record.data)
    wanted = [Path(MANIFEST)]
    write_with(to / MANIFEST, partial(_copy, content.folder / MANIFEST))
    for record in content.records:
        name = Path("records") / f"{record.identity.cost}.json"
        here = {kind: path for kind in PUBLISHED if (path := file_of(content, record, kind))} if synthetic else {}
        records.write(record.model_copy(update={"files": {kind: record.files[kind] for kind in here}}), to / name)
        wanted.append(name)
        for kind, path in here.items():
            write_with(to / record.files[kind], partial(_copy, path))
            wanted.append(Path(record.files[kind]))
    keep = {to / name for name in wanted}
    for folder in ("records", "scores", "answers"):
        for file in (to / folder).glob("*"):
            if OURS.fullmatch(file.name) and file not in keep:
                file.unlink()


def _unreadable(files: list[Path], why: str) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0]}{more}: no record can be read ({why}); run the protocol again, which makes such records anew"


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
