"""Files that ship with the packages but lie outside them: protocols, and numbers reported by others.

A wheel holds them in ``bench/_shipped`` (pyproject.toml says so); in a checkout they lie beside ``bench``.
"""

from __future__ import annotations

from pathlib import Path

from bench.errors import UserError, nearest

PACKAGE = Path(__file__).resolve().parent


def shipped(name: str) -> Path:
    """Return where a shipped file or folder lies: ``protocols``, ``results/published.yaml``."""
    packed = PACKAGE / "_shipped" / name
    return packed if packed.exists() else PACKAGE.parent / name


def protocols() -> dict[str, Path]:
    """Return the shipped protocols, those that need files of real people, then the studies: name -> file."""
    folder = shipped("protocols")
    rooms = ("*.yaml", "real/*.yaml", "studies/*.yaml")
    return {path.stem: path for room in rooms for path in sorted(folder.glob(room))}


def find_protocol(given: Path) -> Path:
    """Return a protocol's file: a path as it stands, or a shipped one by its bare name, e.g. ``zero_shot``.

    Raises UserError with the nearest name if there is neither.
    """
    named = protocols()
    if given.is_file() or (str(given) not in named and given.exists()):
        return given
    if str(given) in named:
        return named[str(given)]
    beside = [other.name for other in given.parent.glob("*.yaml")] if given.parent.is_dir() else []
    hint = nearest(given.name, beside) if beside else nearest(given.stem, named)
    raise UserError(f"{given}: there is no such file, and no protocol of that name{hint}")
