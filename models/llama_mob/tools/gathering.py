"""What a part on a GPU leaves: tables, weights that are small enough, logs; few files, to be copied from there."""

from __future__ import annotations

import importlib.metadata
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from bench.files import write_text, write_with
from models.llama_mob.tools.timed import Outcome

ROOT = Path(__file__).resolve().parents[3]
EXTRAS = ("llm", "lp-bert")
MEGABYTE = 1e6


def tables(to: Path) -> Path:
    """Return the folder of the tables; it is there."""
    folder = to / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def gather(part: int, outcomes: Sequence[Outcome], to: Path, most: float) -> None:
    """Write part-N.md, tables/, weights/ (each file at most ``most`` megabytes) and part-N.tar.gz without the weights.

    A run that was stopped has a leaderboard of the cases that were done.
    """
    runs = [run for outcome in outcomes for run in sorted((to / "runs").glob(f"{outcome.step.name}-*"))]
    said = [line for run in runs for line in _publish(run, to)]
    log = to / "lp_bert" / "log.csv"
    if log.is_file():
        shutil.copyfile(log, tables(to) / "lp_bert.csv")
    weights = [[file.name, f"{size:.1f} MB", there] for file, size, there in _copied(to, most)]
    rows = [[outcome.step.name, outcome.ended, f"{outcome.seconds:.0f} s"] for outcome in outcomes]
    names = sorted(str(file.relative_to(to)) for file in tables(to).rglob("*") if file.suffix in (".md", ".csv"))
    text = "\n\n".join(
        [
            f"# Part {part}",
            tabulate(rows, ["command", "ended", "took"], tablefmt="pipe", disable_numparse=True),
            "```\n" + "\n".join(outcome.step.command for outcome in outcomes) + "\n```",
            *said,
            "Tables: " + (", ".join(f"`{name}`" for name in names) or "none"),
            tabulate(weights, ["weights", "size", "where"], tablefmt="pipe", disable_numparse=True)
            if weights
            else "Weights: none",
        ]
    )
    write_text(to / f"part-{part}.md", text + "\n")
    packed = [to / f"part-{part}.md", tables(to), to / "logs"]
    write_with(to / f"part-{part}.tar.gz", lambda path: _pack(path, [one for one in packed if one.exists()]))


def _publish(run: Path, to: Path) -> list[str]:
    """Write a run's leaderboard and records into the tables; return what went wrong."""
    if not any((run / "records").glob("*.json")):
        return [f"{run.name}: no case was done in time."]
    target = tables(to) / run.name
    command = [sys.executable, "-m", "bench.cli.app", "report", str(run), "--to", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return [f"{run.name}: no leaderboard ({(done.stderr.strip() or 'it failed').splitlines()[-1]})."]
    return []


@dataclass(frozen=True)
class _Weights:
    """A file of weights, and the name it gets beside others."""

    source: Path
    name: str


def _copied(to: Path, most: float) -> Iterator[tuple[Path, float, str]]:
    """Copy small weights; yield each file with its megabytes and where it is to be found."""
    for found in _weights(to):
        size, target = found.source.stat().st_size / MEGABYTE, to / "weights" / found.name
        if size > most:
            yield Path(found.name), size, f"`{found.source.relative_to(to)}`, too large to copy"
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(found.source, target)
        yield target, size, f"`{target.relative_to(to)}`"


def _weights(to: Path) -> Iterator[_Weights]:
    """Yield LP-BERT's weights, and each fit's of the runs under its model's name; a fit that runs share once."""
    own = to / "lp_bert" / "lp_bert.safetensors"
    if own.is_file():
        yield _Weights(own, own.name)
    seen: set[str] = set()
    for record in sorted((to / "runs").glob("*/records/*.json")):
        told = json.loads(record.read_text(encoding="utf-8"))
        fit = str(told["identity"]["fit"])
        if fit in seen:
            continue
        seen.add(fit)
        name = re.sub(r"[^\w.]+", "-", str(told["case"]["model"])).strip("-")
        for file in sorted((to / "runs" / "store" / "fits" / fit).glob("*.safetensors")):
            yield _Weights(file, f"{name}.{fit[:8]}.safetensors")


def _pack(path: Path, packed: Sequence[Path]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for one in packed:
            archive.add(one, arcname=f"{one.parent.name}/{one.name}")


def lacking_packages() -> list[str]:
    """Return what a checkout's pyproject.toml asks for and this Python has not."""
    file = ROOT / "pyproject.toml"
    if not file.is_file():
        return []
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(text for extra in EXTRAS for text in project["optional-dependencies"][extra])]
    names = dict.fromkeys(re.split(r"[\s<>=!~\[;]", text, maxsplit=1)[0] for text in asked)
    return [name for name in names if not _installed(name)]


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
