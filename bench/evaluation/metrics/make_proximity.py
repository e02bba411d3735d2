"""Make proximity.npy, the frozen table behind GEO-BLEU: ``python -m bench.evaluation.metrics.make_proximity``.

Of numpy's two implementations of ``exp`` the one with AVX-512 agrees with the reference values (120 made and 400 real
trajectories, difference 0.0); without AVX-512, 3,662 of the 79,203 entries differ in the last bit. So this refuses to
run on other processors; nobody needs to run it again.
"""

from __future__ import annotations

import hashlib

import numpy as np

from bench.errors import UserError
from bench.evaluation.metrics.geobleu import TABLE
from bench.files import write_with

WIDEST = 199  # cells between the first and the last column of the HuMob grid


def table() -> np.ndarray:
    """Return exp(-0.5 * distance) for squared distances 0 to 2 * 199**2. Raises UserError without AVX-512."""
    if not has_avx512():
        raise UserError("make_proximity: numpy's exp runs without AVX-512 here; make the table on a machine with it")
    return np.exp(-0.5 * np.sqrt(np.arange(2 * WIDEST**2 + 1, dtype=np.float64)))


def has_avx512() -> bool:
    """Return whether numpy's exp and log run on AVX-512 here, as they did when the reference values were made."""
    from numpy._core._multiarray_umath import __cpu_features__

    return bool(__cpu_features__.get("AVX512_SKX"))


if __name__ == "__main__":
    values = table()

    def save(part) -> None:  # type: ignore[no-untyped-def]
        """Write without np.save's habit of adding a suffix."""
        with part.open("wb") as file:
            np.save(file, values, allow_pickle=False)

    write_with(TABLE, save)
    print(TABLE.name, len(values), hashlib.sha256(values.tobytes()).hexdigest())
