"""Warnings that only a comparison of models can give."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

SHARE = 1 / 3


def shape_without_places(geobleu: Mapping[str, float], dtw: Mapping[str, float]) -> tuple[str, ...]:
    """Return the models whose DTW is among the best third while their GEO-BLEU is among the worst third.

    Such a model draws the outline of a day but misses the places, as a constant or an average does. geobleu (higher is
    better) and dtw (lower is better): mean by model. Thirds are cut at the values, so ties fall on the same side; with
    fewer than three models nobody is flagged.
    """
    models = [name for name in geobleu if name in dtw]
    if len(models) < 3:
        return ()
    bleu, warp = np.array([geobleu[m] for m in models]), np.array([dtw[m] for m in models])
    count = max(1, int(len(models) * SHARE))
    poor, good = np.sort(bleu)[count - 1], np.sort(warp)[count - 1]
    return tuple(m for m, b, w in zip(models, bleu, warp, strict=True) if b <= poor and w <= good and b < bleu.max())
