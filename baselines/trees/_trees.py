"""Boosted regression trees as plain arrays: saved without pickle, walked by a compiled loop."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

FILE = "trees.npz"


@dataclass(frozen=True)
class Trees:
    """Nodes of all trees one after the other; a node is a leaf where ``left`` is 0.

    feature, left, right: int32 per node (children as indices of the whole array); threshold: float64, a value goes left
    where it is at most that; value: float64, added at a leaf; roots: int64, the first node of each tree.
    """

    base: float
    roots: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray

    @classmethod
    def of(cls, model: HistGradientBoostingRegressor) -> Trees:
        """Take the trees out of a fitted scikit-learn model with numeric features (tested: the same predictions)."""
        nodes = [step[0].nodes for step in model._predictors]
        roots = np.cumsum([0, *(len(tree) for tree in nodes)])[:-1]
        inner = [tree["is_leaf"] == 0 for tree in nodes]

        def children(name: str) -> np.ndarray:
            moved = [np.where(i, tree[name] + root, 0) for tree, i, root in zip(nodes, inner, roots, strict=True)]
            return np.concatenate(moved).astype(np.int32)

        return cls(
            base=float(np.ravel(model._baseline_prediction)[0]),
            roots=roots.astype(np.int64),
            feature=np.concatenate([tree["feature_idx"] for tree in nodes]).astype(np.int32),
            threshold=np.concatenate([tree["num_threshold"] for tree in nodes]),
            left=children("left"),
            right=children("right"),
            value=np.concatenate([tree["value"] for tree in nodes]),
        )

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return float64 predictions for float32 features of shape (rows, features)."""
        arrays = (self.roots, self.feature, self.threshold, self.left, self.right, self.value)
        return _walker()(np.ascontiguousarray(features, np.float32), self.base, *arrays)

    def save(self, folder: Path) -> None:
        """Write ``trees.npz``."""
        np.savez(folder / FILE, **vars(self))

    @classmethod
    def load(cls, folder: Path) -> Trees:
        """Read what :meth:`save` wrote."""
        with np.load(folder / FILE, allow_pickle=False) as file:
            return cls(base=float(file["base"]), **{name: file[name] for name in file.files if name != "base"})


@cache
def _walker() -> Any:
    """Compile the walk on first use."""
    from numba import njit

    return njit(cache=True, nogil=True)(_walk)


def _walk(
    features: np.ndarray,
    base: float,
    roots: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    value: np.ndarray,
) -> np.ndarray:
    out = np.full(len(features), base)
    for root in roots:  # tree by tree, so that its nodes stay in the cache
        for row in range(len(features)):
            node = root
            while left[node]:
                node = left[node] if features[row, feature[node]] <= threshold[node] else right[node]
            out[row] += value[node]
    return out
