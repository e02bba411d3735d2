"""Where this user's copies lie: converted data and converted weights, made once and found again."""

from __future__ import annotations

import os
from pathlib import Path

BASES = "MOBILITY_BENCH_BASES"


def cache_folder() -> Path:
    """Return MOBILITY_BENCH_CACHE, or the platform's cache folder of this user."""
    import pooch

    return Path(os.environ.get("MOBILITY_BENCH_CACHE") or pooch.os_cache("mobility-bench")).expanduser()


def bases() -> Path:
    """Return the folder of weights that were converted from other files: MOBILITY_BENCH_BASES, or the platform's.

    Workers may read it. So it does not lie in the cache of data, whose place they are not told.
    """
    import pooch

    return Path(os.environ.get(BASES) or pooch.os_cache("mobility-bench-bases")).expanduser()
