"""A small study file for the tests, and what starts PostgreSQL."""

from __future__ import annotations

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
