"""Where this user's copies lie: converted data and converted weights, made once and found again."""

from __future__ import annotations

import os
from pathlib import Path

BASES = "MOBILITY_BENCH_BASES"  # set for workers, whose cache folder is another


def cache_folder() -> Path:
    """Return MOBILITY_BENCH_CACHE, or the platform's cache folder of this user."""
    import pooch

    return Path(os.environ.get("MOBILITY_BENCH_CACHE") or pooch.os_cache("mobility-bench")).expanduser()


def bases() -> Path:
    """Return the folder of weights that were converted from other files. Workers may read it."""
    return Path(os.environ.get(BASES) or cache_folder() / "bases")
