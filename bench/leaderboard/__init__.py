"""The leaderboard: figures with intervals, ranks with ties, costs; from records alone. Printed by bench/report.

panel.py     score files -> lines (one model, training, test city), resampled
ranking.py   one table: rows, ranks, ties, flags
overall.py   the headline over cities, on equal sets of cases
facts.py     costs, training, data: no statistics
build.py     puts them together
"""

from bench.leaderboard.build import Leaderboard, build
from bench.leaderboard.facts import CostRow, Facts, TrainingRow
from bench.leaderboard.overall import Gap
from bench.leaderboard.ranking import Board, Detectable, Figure, Metric, Row, difference

__all__ = [
    "Board",
    "CostRow",
    "Detectable",
    "Facts",
    "Figure",
    "Gap",
    "Leaderboard",
    "Metric",
    "Row",
    "TrainingRow",
    "build",
    "difference",
]
