"""Downloads that go on where they were cut, are checked, and never leave half a file under the final name.

The challenges' data stand in records of Zenodo, whose API (GET /api/records/ID) names each file's size and MD5. The
check-ins of Massive-STEPS stand on Hugging Face, whose API (GET /api/datasets/ID/tree/main) names sizes and SHA-256.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from bench.errors import UserError, nearest

if TYPE_CHECKING:
    import requests

ZENODO = "https://zenodo.org"
RECORDS = {"humob2023": 10142719, "humob2023-truth": 10836269, "humob2024": 13237029, "humob2024-truth": 14219563}
HUB = "https://huggingface.co"
STEPS = "massive-steps-"  # and a city, e.g. massive-steps-istanbul
BY_HAND = {  # data sets whose terms or sites want a person: where to ask
    "giscup2025": "the organisers of the GIS Cup 2025",
    "geolife": "Microsoft Research's page of GeoLife, after its terms",
    "t-drive": "Microsoft Research's page of T-Drive, after its terms",
    "foursquare": "Dingqi Yang's page of Foursquare data sets",
    "cabspotting": "CRAWDAD, epfl/mobility, after signing in",
    "movebank": "movebank.org, where each study has its own terms",
}
ATTEMPTS = 5
TIMEOUT_S = 30.0
CHUNK = 1 << 14  # a cut loses at most so much

Progress = Callable[[str, int, int | None], None]
"""Called with the file's name, the bytes that are here and the bytes in all (None if not known)."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a record; checksum as ``md5:...``."""

    name: str
    url: str
    size: int
    checksum: str


def fetch(
    name: str, folder: Path, base_url: str | None = None, progress: Progress | None = None, *, pause_s: float = 1.0
) -> list[Path]:
    """Download all files of a data set into ``folder`` and return their paths.

    name: of RECORDS, ``zenodo:RECORD``, or ``massive-steps-CITY``. Files that are there with the right checksum are
    kept; a cut download is resumed. base_url replaces the site's address. pause_s: the wait before a second attempt; it
    doubles each time. Raises UserError.
    """
    kind, _, number = name.partition(":")
    if name in BY_HAND:
        raise UserError(f"{name}: is not fetched; get it from {BY_HAND[name]} (docs/datasets.md)")
    if name.startswith(STEPS):
        files = steps_files(name.removeprefix(STEPS), base_url or HUB, pause_s=pause_s)
    elif name in RECORDS or (kind == "zenodo" and number.isdigit()):
        files = record_files(RECORDS.get(name) or int(number), base_url or ZENODO, pause_s=pause_s)
    else:
        raise UserError(f"data set '{name}' is not known{nearest(name, [*RECORDS, *BY_HAND, 'massive-steps-CITY'])}")
    return [
        download(file.url, folder / file.name, checksum=file.checksum, progress=progress, pause_s=pause_s)
        for file in files
    ]


def record_files(record: int, base_url: str = ZENODO, *, pause_s: float = 1.0) -> list[RemoteFile]:
    """Ask a record for its files. Raises UserError if it cannot be had or does not read as a record."""
    base = f"{base_url.rstrip('/')}/api/records/{record}"
    with _get(base, {}, pause_s) as response:
        try:
            entries = response.json()["files"]
            files = [
                RemoteFile(e["key"], f"{base}/files/{quote(e['key'])}/content", int(e["size"]), e["checksum"])
                for e in entries
            ]
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{base}: the answer is no record of Zenodo ({error!r}); check the address") from None
    return _inside(base, files)


def steps_files(city: str, base_url: str = HUB, *, pause_s: float = 1.0) -> list[RemoteFile]:
    """Ask Hugging Face for the tables of one city of Massive-STEPS. Raises UserError, as :func:`record_files` does."""
    name = quote(f"CRUISEResearchGroup/Massive-STEPS-{'-'.join(word.capitalize() for word in city.split('-'))}")
    base = base_url.rstrip("/")
    listing, table = (
        f"{base}/api/datasets/{quote(name)}/tree/main/tabular",
        f"{base}/datasets/{quote(name)}/resolve/main",
    )
    with _get(listing, {}, pause_s) as response:
        try:
            files = [
                RemoteFile(
                    entry["path"].removeprefix("tabular/"),
                    f"{table}/{quote(entry['path'])}",
                    int(entry["size"]),
                    f"sha256:{entry['lfs']['oid']}",
                )
                for entry in response.json()
                if entry["path"].endswith(".parquet")
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{listing}: the answer is no list of files ({error!r}); check the address") from None
    if not files:
        raise UserError(f"{listing}: names no table; check the city's name")
    return _inside(listing, files)


def _inside(where: str, files: list[RemoteFile]) -> list[RemoteFile]:
    """Return the files; raise UserError if a name would leave the folder."""
    for file in files:
        if Path(file.name).name != file.name or file.name in ("", ".", ".."):
            raise UserError(f"{where}: names a file '{file.name}' that would leave the folder; it was not fetched")
    return files


def download(
    url: str, target: Path, *, checksum: str | None = None, progress: Progress | None = None, pause_s: float = 1.0
) -> Path:
    """Download one file and return its path; the bytes so far stand in ``TARGET.part``.

    checksum: ``md5:...`` or ``sha256:...``; without one, nothing tells whether an old part belongs to this file, so
    the download starts anew. Raises UserError when the server refuses, the connection stays cut, the disk is full, or
    the checksum differs (the bytes are then thrown away).
    """
    if target.exists() and (checksum is None or _matches(target, checksum)):
        return target
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if checksum is None:
            part.unlink(missing_ok=True)
        resumed = part.exists()
        _fill(url, part, progress or _silent, pause_s)
        if resumed and checksum is not None and not _matches(part, checksum):  # the old part was of another file
            part.unlink()
            _fill(url, part, progress or _silent, pause_s)
        if checksum is not None and not _matches(part, checksum):
            part.unlink()
            raise UserError(f"{url}: the checksum is not {checksum}; the download was thrown away, try again later")
        part.replace(target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written ({error.strerror or error})") from None
    return target


def _fill(url: str, part: Path, progress: Progress, pause_s: float) -> None:
    """Download until the part is complete; give up after ATTEMPTS attempts in a row that brought nothing."""
    import requests

    fruitless, reason = 0, ""
    while fruitless < ATTEMPTS:
        before = _size(part)
        try:
            total = _append(url, part, progress, pause_s)
            if total is None or _size(part) == total:
                return
            reason = f"{_size(part)} of {total} bytes came"
        except requests.RequestException as error:
            reason = type(error).__name__
        fruitless = 0 if _size(part) > before else fruitless + 1
        if fruitless:
            time.sleep(pause_s * 2 ** (fruitless - 1))
    kept = f"{_size(part)} bytes are kept, the same command goes on from there"
    raise UserError(f"{url}: the connection stays cut ({reason}); {kept}")


def _append(url: str, part: Path, progress: Progress, pause_s: float) -> int | None:
    """Ask for the bytes after those that are here and write them as they come; return the size of the whole file."""
    here = _size(part)
    with _get(url, {"Range": f"bytes={here}-"} if here else {}, pause_s) as response:
        span, _, whole = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("/")
        if response.status_code == 416:  # there is nothing after these bytes
            if whole != str(here):  # and they are not the whole: they belong to another file
                part.unlink()
            return int(whole) if whole.isdigit() else -1
        resumes = response.status_code == 206 and span.startswith(f"{here}-")
        if not resumes:  # the server sends the whole file
            here, whole = 0, response.headers.get("Content-Length", "")
        total = int(whole) if whole.isdigit() else None
        with part.open("ab" if resumes else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                here += len(chunk)
                progress(part.name.removesuffix(".part"), here, total)
    return total


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _get(url: str, headers: dict[str, str], pause_s: float) -> requests.Response:
    """GET with a few attempts while the server is unreachable or busy; UserError if it refuses."""
    import requests

    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(pause_s * 2 ** (attempt - 1))
        try:
            response = requests.get(
                url, headers={"Accept-Encoding": "identity"} | headers, stream=True, timeout=TIMEOUT_S
            )
        except (requests.ConnectionError, requests.Timeout) as error:
            reason = f"cannot be reached ({type(error).__name__})"
            continue
        except requests.RequestException as error:
            raise UserError(f"{url}: is no address to download from ({error})") from None
        if response.ok or response.status_code == 416:
            return response
        response.close()
        reason = f"answers {response.status_code} {response.reason}"
        if response.status_code < 500 and response.status_code != 429:
            break
    raise UserError(f"{url}: {reason}; check the address and the network, then run the same command again")


def _matches(path: Path, checksum: str) -> bool:
    """Tell whether a file has this checksum."""
    import pooch

    algorithm, _, wanted = checksum.rpartition(":")
    return bool(pooch.file_hash(str(path), alg=algorithm or "md5") == wanted.lower())


def _silent(name: str, done: int, total: int | None) -> None:
    """Show nothing."""
