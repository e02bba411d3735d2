"""A small study file for the tests, and the storages that they go through."""

from __future__ import annotations

from pathlib import Path

import pytest

STORAGES = ("sqlite", "journal", "postgres")

TEXT = """\
schema: 1
name: tiny
version: 1
about: Few users, one week.
data: {source: synthetic, cities: [B, C, D], seed: 5, options: {users: 100}}
window: {history: [50, 58], horizon: [60, 61]}
splits:
  - {train: {cities: [B, C], days: [45, 61]}, test: [C, D]}
users: {train: 10, validate: 2, test: 6}
models: [user_mode, {use: kernel_vote}]
metrics: {main: geobleu@humob24, also: [dtw@humob24]}
answers: {fallback: last_cell, most_filled: 0.05}
seeds: [0]
study:
  asked: 5
  space:
    cities: {subsets: [B, C]}
    users.train: [10, {total: 10}]
  objectives:
    geobleu@humob24: maximize
    trajectories: minimize
"""


def spec_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """Name a storage of one of STORAGES; skips where there is no PostgreSQL."""
    if kind == "postgres":
        return str(request.getfixturevalue("postgres"))
    return {"sqlite": f"sqlite:///{folder}/study.db", "journal": f"journal:{folder}/study.log"}[kind]
