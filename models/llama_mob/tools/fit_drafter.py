"""Learn the strengths of a drafter's votes from logged answers: ``python -m models.llama_mob.tools.fit_drafter``.

    python -m models.llama_mob.tools.fit_drafter --data humob:FOLDER --answers ANSWERS.csv.gz --city B

The chance of a cell is its share of the rows' votes to a power (``tree.likely``): a mixture whose components are the
earlier rows. The likelihood of the answers, each after the true ones before it, is climbed along EM's direction: the
rows' responsibilities given the answer (E-step) minus those before it is known, summed for each log-strength. L-BFGS
takes the steps, as a row's strength is a product of six factors and has no M-step in closed form. Only every second
user is learned from; ``simulate`` judges on the others.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from scipy.optimize import minimize

from bench.data.sources import open_source
from bench.errors import UserError
from bench.files import write_text
from models.llama_mob.engine.drafter import SHIPPED_FILE, Weights
from models.llama_mob.engine.evidence import SIZE, TABLES, FloatArray, IntArray, depth_of, features, table_of
from models.llama_mob.tools.logged import IsOff, Person, halves, people_of

PRIOR = 3.0  # of 0.3, 1, 3 and 10 the one that drafts best for a quarter of B's users when fitted on another
POWERS = (0.25, 4.0)


@dataclass(frozen=True)
class Sample:
    """One user's rows as votes see them: (rows, 4) of ``evidence.table_of``, codes of cells, rows of history."""

    rows: IntArray
    cells: IntArray
    history: int

    @classmethod
    def of(cls, person: Person, is_off: IsOff) -> Sample:
        """Number a user's cells and describe the rows."""
        both = np.concatenate([person.history, person.answers])
        cells = np.unique(both[:, 2:], axis=0, return_inverse=True)[1].ravel().astype(np.int64)
        return cls(table_of(both[:, 0], both[:, 1], np.asarray(is_off(both[:, 0]))), cells, len(person.history))


@njit(cache=True, nogil=True)
def climb(
    rows: IntArray, cells: IntArray, history: int, logs: FloatArray, power: float, slope: FloatArray
) -> tuple[float, int]:
    """Return the log-likelihood of a user's answers and how many could be drafted; add its gradient to ``slope``.

    slope: (SIZE + 1,), the power last. An answer in a cell never seen before cannot be drafted and does not count.
    """
    votes, chances = np.empty(cells.max() + 1), np.empty(cells.max() + 1)
    index, strength = np.empty((len(rows), TABLES), np.int64), np.empty(len(rows))
    value, counted = 0.0, 0
    for i in range(history, len(rows)):
        votes[:] = 0.0
        for j in range(i):
            features(rows, j, i, depth_of(cells, j, i), history, index[j])
            total = 0.0
            for k in range(TABLES):
                total += logs[index[j, k]]
            strength[j] = np.exp(total)
            votes[cells[j]] += strength[j]
        if votes[cells[i]] <= 0.0:
            continue
        top, norm, mean = votes.max(), 0.0, 0.0
        for c in range(len(votes)):
            chances[c] = 0.0
            if votes[c] > 0.0:
                chances[c] = (votes[c] / top) ** power
                norm += chances[c]
                mean += chances[c] * np.log(votes[c] / top)
        share = np.log(votes[cells[i]] / top)
        value, counted = value + power * share - np.log(norm), counted + 1
        slope[SIZE] += share - mean / norm
        for j in range(i):
            if votes[cells[j]] > 0.0:
                pull = (1.0 if cells[j] == cells[i] else 0.0) - chances[cells[j]] / norm
                pull *= power * strength[j] / votes[cells[j]]
                for k in range(TABLES):
                    slope[index[j, k]] += pull
    return value, counted


def likelihood(samples: Sequence[Sample], logs: FloatArray, power: float) -> tuple[float, FloatArray, int]:
    """Return the log-likelihood of all answers that could be drafted, its gradient (SIZE + 1,), and their number."""
    slope, value, counted = np.zeros(SIZE + 1), 0.0, 0
    for sample in samples:
        more, answers = climb(sample.rows, sample.cells, sample.history, logs, power, slope)
        value, counted = value + more, counted + answers
    return value, slope, counted


def fit(samples: Sequence[Sample], *, prior: float = PRIOR, steps: int = 100) -> Weights:
    """Return the likeliest weights under a normal prior around equal strengths and the power 1.

    prior: inverse variance of log-strengths; raising it keeps rare kinds of rows closer to 0. steps: at most so many.
    """
    centre = np.append(np.zeros(SIZE), 1.0)

    def loss(point: FloatArray) -> tuple[float, FloatArray]:
        value, slope, _ = likelihood(samples, point[:SIZE], float(point[SIZE]))
        away = point - centre
        return 0.5 * prior * float(away @ away) - value, prior * away - slope

    bounds = [(None, None)] * SIZE + [POWERS]
    found = minimize(loss, centre, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    return Weights(found.x[:SIZE], float(found.x[SIZE]))


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    about = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m models.llama_mob.tools.fit_drafter", description=about)
    parser.add_argument("--data", required=True, help="where the histories are: humob:FOLDER")
    parser.add_argument("--answers", type=Path, required=True, help="CSV of the model's answers: uid,d,t,x,y")
    parser.add_argument("--city", default="B", help="whose users were answered")
    parser.add_argument("--model", default="Llama-3-8B-Mob", help="whose answers they are, for the file")
    parser.add_argument("--of", default="HuMob 2024", help="whose data they are, for the file")
    parser.add_argument("--prior", type=float, default=PRIOR, help="raising it keeps strengths closer to each other")
    parser.add_argument("--steps", type=int, default=100, help="of L-BFGS, at most")
    parser.add_argument("--to", type=Path, default=SHIPPED_FILE, help="the file that is written")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fit on every second user and write the file."""
    given = options(arguments)
    source = open_source(given.data)
    fitted, kept = (
        [Sample.of(person, source.world(given.city).calendar.is_off) for person in half]
        for half in halves(people_of(source, given.city, given.answers))
    )
    weights = fit(fitted, prior=given.prior, steps=given.steps)
    about = f"Answers of {given.model} for {len(fitted)} users of city {given.city} of {given.of}; aggregates alone."
    write_text(given.to, weights.as_text(about))
    for name, samples in (("fitted on", fitted), ("kept apart", kept)):
        value, _, counted = likelihood(samples, weights.logs, weights.power)
        print(f"{name}: {len(samples)} users, {value / max(counted, 1):.4f} log-likelihood an answer")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
