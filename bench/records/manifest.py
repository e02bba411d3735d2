"""A run's folder: its manifest, the records it names, and which of them are not there yet."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ValidationError

from bench.errors import UserError
from bench.files import write_with
from bench.records import record as records
from bench.records.record import Record

MANIFEST = "run.json"


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


def read_run(folder: Path) -> RunContent:
    """Read a run's manifest and records. Raises UserError where there is none or one cannot be read."""
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


def copy_run(content: RunContent, to: Path) -> bool:
    """Copy manifest, records and scores of synthetic people, so that a published leaderboard can be made again.

    Returns False, and copies nothing, where any record rests on real people: their scores stay where they are.
    """
    if not all(record.data.synthetic for record in content.records if record.data):
        return False
    files = [MANIFEST, *(f"records/{record.identity.cost}.json" for record in content.records)]
    files += [record.files["scores"] for record in content.records if "scores" in record.files]
    for name in dict.fromkeys(files):
        write_with(to / name, partial(_copy, content.folder / name))
    return True


def _unreadable(files: list[Path], why: str) -> str:
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f"{files[0]}{more}: no record can be read ({why}); run the protocol again, which makes such records anew"


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
