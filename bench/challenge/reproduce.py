"""Score a published submission again, from its files and the truth on Zenodo, and compare with the official figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench.challenge.submission import check_submission
from bench.data.files.csvfiles import read_points
from bench.data.files.fetch import RECORDS, ZENODO, Progress, download, record_files
from bench.data.sources.challenges import get_challenge
from bench.data.sources.humob import Humob
from bench.errors import UserError, nearest
from bench.evaluation import metrics


@dataclass(frozen=True)
class Published:
    """A published submission: one file per city at a pinned commit, and its reported scores.

    scores: (city or "all", metric) -> figure as printed; a new score must agree to its last digit.
    """

    challenge: str
    truth: str
    host: str
    files: dict[str, str]
    scores: dict[tuple[str, str], str]


MOST_FAULTS = 20
_REPOSITORY = "TANGHULU6/Llama3-8B-Mob"

PUBLISHED = {
    # Llama-3-8B-Mob. The figures over all cities are the challenge's (README of the
    # repository); those by city were computed with the reference code of 2025.
    "humob2024": Published(
        challenge="humob2024",
        truth="humob2024-truth",
        host="https://raw.githubusercontent.com",
        files={
            "B": f"{_REPOSITORY}/d7c8fe8786a5b5cd5316d5ffb7fc8b738f84cf73/results/cityB.csv.gz",
            "C": f"{_REPOSITORY}/398177cc394176dc8dc98f6a8c4f067dc5f0e0a8/results/cityC.csv.gz",
            "D": f"{_REPOSITORY}/f73cf357eb3820dfedf5f6dc73c85b742e80f945/results/cityD.csv.gz",
        },
        scores={
            ("all", "geobleu@humob24"): ".309",
            ("all", "dtw@humob24"): "27.96",
            ("B", "geobleu@giscup25"): ".2138",
            ("B", "dtw@fixed"): "53.42",
            ("C", "geobleu@giscup25"): ".2087",
            ("C", "dtw@fixed"): "37.80",
            ("D", "geobleu@giscup25"): ".1985",
            ("D", "dtw@fixed"): "84.45",
        },
    )
}


@dataclass(frozen=True)
class Comparison:
    """One published figure and the new one."""

    city: str
    users: int
    metric: str
    measured: float
    published: float
    digits: int

    @property
    def agrees(self) -> bool:
        """Whether the new figure, rounded like the published one, differs by at most one in the last digit."""
        return abs(self.measured - self.published) <= 1.0 * 10**-self.digits


def reproduce(name: str, folder: Path, url: str | None = None, progress: Progress | None = None) -> list[Comparison]:
    """Fetch, check and score; return every published figure with the new one.

    folder: for downloads, old and new. url: one address in place of all hosts. Raises UserError if a file is
    unavailable, the submission breaks a rule, or its points are not those of the truth.
    """
    if name not in PUBLISHED:
        raise UserError(f"reproduce: '{name}' is not known{nearest(name, PUBLISHED)}")
    published = PUBLISHED[name]
    truth = folder / published.truth
    _fetch_truth(published, truth, url or ZENODO, progress)
    frames = []
    for city, file in published.files.items():
        path = download(
            f"{(url or published.host).rstrip('/')}/{file}",
            folder / f"{name}-submission" / Path(file).name,
            progress=progress,
        )
        frames.append(_score(published, city, path, truth))
    return list(_compare(published, pd.concat(frames)))


def _fetch_truth(published: Published, folder: Path, url: str, progress: Progress | None) -> None:
    """Download the truth of the submission's cities only."""
    wanted = get_challenge(published.challenge).complete
    names = {f"{wanted[city]}.csv.gz" for city in published.files}
    files = {file.name: file for file in record_files(RECORDS[published.truth], url)}
    if absent := sorted(names - files.keys()):
        raise UserError(
            f"{url}: record {RECORDS[published.truth]} lacks {', '.join(absent)}; it has {', '.join(files)}"
        )
    for file in sorted(names):
        download(files[file].url, folder / file, checksum=files[file].checksum, progress=progress)


def _score(published: Published, city: str, path: Path, folder: Path) -> pd.DataFrame:
    """Check one city's submission and score it."""
    rules = get_challenge(published.challenge)
    full = Humob(folder).load(city).days(*rules.horizon)
    true = full.take(np.isin(full.uid, rules.targets[city]))
    if faults := check_submission(path, published.challenge, city, true.queries()):
        more = [f"{path}: {len(faults) - MOST_FAULTS:,} more faults"] if len(faults) > MOST_FAULTS else []
        raise UserError(*faults[:MOST_FAULTS], *more)
    said = read_points(path, city=city, first_day=rules.first_day).visible
    return metrics.score_users(said.x, said.y, true)


def _compare(published: Published, frame: pd.DataFrame) -> Iterator[Comparison]:
    for (city, metric), figure in published.scores.items():
        rows = frame if city == "all" else frame[frame["city"] == city]
        digits = len(figure.partition(".")[2])
        yield Comparison(city, len(rows), metric, float(rows[metric].mean()), float(figure), digits)
