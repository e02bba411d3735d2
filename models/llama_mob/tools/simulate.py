"""Forward passes that a draft saves, counted without a model: a verifier that knows what the model would answer.

    python -m models.llama_mob.tools.simulate --data humob:FOLDER --answers B=FILE C=FILE --to FILE

Passes a trajectory for each way of decoding, as a Markdown table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate

from bench.data.sources import Source, open_source
from bench.errors import UserError
from bench.files import write_or_print
from models.llama_mob.engine.drafter import SHIPPED_FILE, Drafter, Weights
from models.llama_mob.engine.evidence import IntArray
from models.llama_mob.engine.tree import Tree
from models.llama_mob.tools.logged import IsOff, Person, halves, people_of

TEXT = """\
# Forward passes a trajectory, counted without a model

Made by `python -m models.llama_mob.tools.simulate --data humob:FOLDER --answers B=FILE C=FILE --to FILE`

A verifier accepts a guess where it equals the logged answer of a tuned model. Users: {users}. The weights of guesses
were fitted on the other users of the city that `--fitted` names.

{table}
"""
PAPER = 20  # tokens a point in the paper's answers: JSON with an indent of 4
CHAIN, TREES = 16, (16, 32, 64)  # numbers that a pass verifies at most


@dataclass(frozen=True)
class Cost:
    """Of one answer: forward passes after prefill, numbers drafted, drafted numbers that were right."""

    passes: int
    drafted: int
    accepted: int


def jump_passes(queries: int) -> int:
    """Return the passes without a draft: one for every number but the first, which prefill gives."""
    return max(0, 2 * queries - 1)


def chain_of(tokens: IntArray, at: int) -> Tree:
    """Return a chain of numbers from slot ``at`` on as a tree without branches."""
    order = np.arange(len(tokens))
    return Tree(tokens, order - 1, at + order)


def count(drafter: Drafter, answers: IntArray, nodes: int, *, tree: bool) -> Cost:
    """Return the cost of one user's answers, (n, 2) of x and y, where every pass verifies at most ``nodes`` numbers.

    Counted as the engine does: prefill, which is no pass, gives the first number, as the text before it is fed with the
    prompt; the text between numbers rides along; a pass that finds the first k drafted numbers right yields k + 1, as
    it also says what the model has instead of the next one. A node of a tree and a number of a chain count alike.
    """
    numbers = np.asarray(answers, dtype=np.int64).ravel()
    at, passes, drafted, accepted = 1, 0, 0, 0
    while at < len(numbers):
        x = int(numbers[at - 1]) if at % 2 else None
        known = answers[: at // 2]
        draft = drafter.tree(at, x, known, nodes) if tree else chain_of(drafter.chain(at, x, known, nodes), at)
        right = agreeing(draft, numbers, at)
        passes, drafted, accepted = passes + 1, drafted + len(draft), accepted + right
        at += right + 1
    return Cost(passes, drafted, accepted)


def agreeing(draft: Tree, numbers: IntArray, at: int) -> int:
    """Return how many numbers from slot ``at`` on the draft has right, along its best path."""
    node, right = -1, 0
    children: dict[tuple[int, int], int] = {
        (int(parent), int(token)): child
        for child, (token, parent) in enumerate(zip(draft.tokens, draft.parents, strict=True))
    }
    while at + right < len(numbers) and (node, int(numbers[at + right])) in children:
        node = children[node, int(numbers[at + right])]
        right += 1
    return right


def passes_of(person: Person, is_off: IsOff, nodes: int, *, tree: bool, weights: Weights | None = None) -> int:
    """Return the passes for one user's logged answers with drafts of at most ``nodes`` numbers."""
    drafter = Drafter(person.history, person.answers[:, :2], is_off, weights)
    return count(drafter, person.answers[:, 2:], nodes, tree=tree).passes


def mean_passes(people: Sequence[Person], is_off: IsOff, weights: Weights | None = None) -> dict[str, list[float]]:
    """Return by way of decoding the mean of passes over users, one for each size of draft."""
    points = float(np.mean([len(person.answers) for person in people]))

    def drafted(sizes: Sequence[int], *, tree: bool) -> list[float]:
        return [
            float(np.mean([passes_of(person, is_off, nodes, tree=tree, weights=weights) for person in people]))
            for nodes in sizes
        ]

    return {
        f"token by token, {PAPER} tokens a point (the paper)": [PAPER * points],
        "`jump_forward`": [float(np.mean([jump_passes(len(person.answers)) for person in people]))],
        f"`speculative`, a chain of {CHAIN} guesses": drafted([CHAIN], tree=False),
        f"`speculative`, a tree of {' / '.join(str(nodes) for nodes in TREES)}": drafted(TREES, tree=True),
    }


def table_of(cities: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Return the passes of each city, by way of decoding, and their mean over cities as Markdown."""
    rows = []
    for name in next(iter(cities.values())):
        passes = [found[name] for found in cities.values()]
        passes += [np.mean(passes, axis=0).tolist()] if len(passes) > 1 else []
        rows.append([name, *(" / ".join(_figure(figure) for figure in cell) for cell in passes)])
    heads = ["decoding", *cities] + (["mean"] if len(cities) > 1 else [])
    align = ["left"] + ["right"] * (len(heads) - 1)
    return tabulate(rows, headers=heads, tablefmt="pipe", colalign=align, disable_numparse=True)


def _figure(passes: float) -> str:
    return f"{passes:,.0f}" if passes >= 100 else f"{passes:.1f}"


def judges(source: Source, answers: Mapping[str, Path], fitted: str) -> dict[str, list[Person]]:
    """Return by city the users who answer for the draft: all but those of the city ``fitted`` that it learned from."""
    people = {city: people_of(source, city, file) for city, file in answers.items()}
    chosen = {city: halves(found)[1] if city == fitted else found for city, found in people.items()}
    for city, found in chosen.items():
        if not found:
            raise UserError(f"{answers[city]}: one user, from whom drafts may have learned; give more, or --fitted ''")
    return chosen


def files_of(texts: Iterable[str]) -> dict[str, Path]:
    """Read CITY=FILE. Raises UserError."""
    files = {}
    for text in texts:
        city, equals, file = text.partition("=")
        if not (city and equals and file):
            raise UserError(f"--answers {text}: write CITY=FILE, e.g. B=answers_B.csv.gz")
        files[city] = Path(file)
    return files


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    about = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m models.llama_mob.tools.simulate", description=about)
    parser.add_argument("--data", required=True, help="where the histories are: humob:FOLDER")
    parser.add_argument("--answers", nargs="+", required=True, metavar="CITY=FILE", help="CSV of answers: uid,d,t,x,y")
    parser.add_argument("--weights", type=Path, default=SHIPPED_FILE, help="what fit_drafter wrote")
    parser.add_argument("--fitted", default="B", metavar="CITY", help="whose every second user is left out ('': none)")
    parser.add_argument("--to", type=Path, help="a Markdown file; without it the table is printed")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write or print the table and whose passes they are."""
    given = options(arguments)
    if not given.weights.is_file():
        raise UserError(f"--weights {given.weights}: there is no such file; fit_drafter writes one")
    source, weights = open_source(given.data), Weights.read(given.weights)
    people = judges(source, files_of(given.answers), given.fitted)
    passes = {city: mean_passes(found, source.world(city).calendar.is_off, weights) for city, found in people.items()}
    table = table_of(passes)
    users = ", ".join(f"{len(found)} of {city}" for city, found in people.items())
    text = TEXT.format(table=table, users=users)
    write_or_print(text, given.to)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
