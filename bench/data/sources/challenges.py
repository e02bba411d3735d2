"""The challenges whose files are known: names of their files, first day, target users, calendar.

Sources: the challenges' pages (HuMob 2023 and 2024, GIS Cup 2025) and their Zenodo records 10142719, 10836269, 13237029
and 14219563; the names of the later, complete files are those that public code reads.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.data.world import Calendar
from bench.errors import UserError, nearest

ENDINGS = (".csv.gz", ".csv", ".parquet")
PLAIN = re.compile(r"city_([A-Za-z0-9-]+)(\.csv\.gz|\.csv|\.parquet)")


@dataclass(frozen=True)
class Challenge:
    """One challenge: city -> names of files without ending, the challenge's own and the complete one with the truth.

    first_day: how its files count the first day. targets: uids whose horizon is asked. horizon: days counted from 0.
    """

    name: str
    title: str
    first_day: int
    files: Mapping[str, str]
    complete: Mapping[str, str]
    targets: Mapping[str, range]
    horizon: tuple[int, int] = (60, 74)
    calendar: Calendar = field(default_factory=Calendar)


CHALLENGES = {
    challenge.name: challenge
    for challenge in (
        Challenge(
            "humob2023",
            "HuMob Challenge 2023",
            first_day=0,
            files={"task1": "task1_dataset", "task2": "task2_dataset"},
            complete={"task1": "yjmob100k-dataset1", "task2": "yjmob100k-dataset2"},
            targets={"task1": range(80_000, 100_000), "task2": range(22_500, 25_000)},
        ),
        Challenge(
            "humob2024",
            "HuMob Challenge 2024",
            first_day=0,
            files={"A": "cityA_groundtruthdata"} | {city: f"city{city}_challengedata" for city in "BCD"},
            complete={city: f"city{city}-dataset" for city in "ABCD"},
            targets={"B": range(22_000, 25_000), "C": range(17_000, 20_000), "D": range(3_000, 6_000)},
        ),
        Challenge(
            "giscup2025",
            "ACM SIGSPATIAL GIS Cup 2025",
            first_day=1,
            files={city: f"city_{city}_challengedata" for city in "ABCD"},
            complete={city: f"city_{city}_alldata" for city in "ABCD"},
            targets={
                "A": range(147_001, 150_001),
                "B": range(27_001, 30_001),
                "C": range(22_001, 25_001),
                "D": range(17_001, 20_001),
            },
            # Which days are weekends, and how many months C and D leave out, was not published: see its protocol.
            calendar=Calendar(weekend=frozenset(), holidays=frozenset()),
        ),
    )
}


def get_challenge(name: str) -> Challenge:
    """Return the challenge. Raises UserError with the nearest name if there is none."""
    if name not in CHALLENGES:
        raise UserError(f"challenge '{name}' is not known{nearest(name, CHALLENGES)}")
    return CHALLENGES[name]


@dataclass(frozen=True)
class CityFiles:
    """Where one city's rows are: the main file and, if there is one, the complete file that holds masked cells."""

    main: Path
    truth: Path | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, the main one first."""
        return (self.main,) if self.truth is None else (self.main, self.truth)


def find_files(folder: Path) -> tuple[Challenge, dict[str, CityFiles]]:
    """Tell which challenge's files a folder holds (or plain ``city_X``), and where each city's are.

    Raises UserError that lists what was looked for and what is there; a folder holds one challenge's files.
    """
    if not folder.is_dir():
        raise UserError(f"humob:{folder}: there is no such folder")
    found = [
        (challenge, cities)
        for challenge in (*CHALLENGES.values(), PLAIN_FILES)
        if (cities := _cities(challenge, folder))
    ]
    if len(found) == 1:
        return found[0]
    if found:
        kinds = "; ".join(f"{c.title} ({next(iter(files.values())).main.name}, ...)" for c, files in found)
        raise UserError(f"humob:{folder}: holds files of several kinds: {kinds}; keep each kind in a folder of its own")
    wanted = [next(iter(challenge.files.values())) for challenge in CHALLENGES.values()] + ["city_X"]
    there = sorted(path.name for path in folder.iterdir())
    listed = ", ".join(there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
    raise UserError(
        f"humob:{folder}: no known file; looked for {', '.join(f'{name}.csv.gz' for name in wanted)} and their like "
        f"(also .csv, .parquet); found {listed or 'nothing'}"
    )


PLAIN_FILES = Challenge("plain", "plain files city_X", first_day=0, files={}, complete={}, targets={})


def _cities(challenge: Challenge, folder: Path) -> dict[str, CityFiles]:
    if challenge is PLAIN_FILES:
        names = sorted({match[1] for path in folder.iterdir() if (match := PLAIN.fullmatch(path.name))})
        return {city: CityFiles(path) for city in names if (path := _first(folder, f"city_{city}"))}
    cities = {}
    for city in challenge.complete:
        main, complete = _first(folder, challenge.files[city]), _first(folder, challenge.complete[city])
        if main or complete:
            cities[city] = CityFiles(main, complete) if main else CityFiles(complete)  # type: ignore[arg-type]
    return cities


def _first(folder: Path, stem: str) -> Path | None:
    """The file of this name with the first known ending."""
    return next((path for ending in ENDINGS if (path := folder / f"{stem}{ending}").is_file()), None)
