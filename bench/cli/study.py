"""bench study: trials of a study file, by as many workers as wanted, and what they say."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import UserError

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial
    from rich.console import Console

    from bench.data.sources import Source
    from bench.study.outcome.outcome import Outcome
    from bench.study.search.evaluate import Evaluator
    from bench.study.spec.schema import Study


@dataclass(frozen=True)
class Order:
    """What the command line asked for; workers are given the same."""

    path: Path
    data: str | None
    scale: str | None
    overrides: tuple[str, ...]
    adapters: tuple[str, ...]
    out: Path
    storage: str | None
    workers: int
    accept: bool
    to: Path | None


def study_command(order: Order) -> int:
    """Bring a study to its total and say what came of it; return the exit code (1 if a trial failed)."""
    from rich.console import Console

    try:
        import optuna  # noqa: F401
    except ImportError:
        raise UserError("bench study needs Optuna: pip install 'mobility-bench[study]'") from None
    studies = _read(order)
    _check_data(order, studies)
    try:
        _work_side_by_side(order) if order.workers > 1 else _work(order, 0)
    except KeyboardInterrupt:
        print("interrupted: what is done is kept, and the same command goes on from here", file=sys.stderr)
        return 130
    return _report(order, studies, Console())


def _read(order: Order) -> tuple[Study, ...]:
    from bench.adapters import registry
    from bench.study.spec import reading

    outside = [registry.add(target) for target in order.adapters]
    return reading.load(order.path, scale=order.scale, overrides=order.overrides, data=order.data, add=outside)


def _folder(order: Order, study: Study) -> Path:
    """OUT/NAME, with scale and source where they are not the defaults."""
    wanted = study.protocol
    scale = "" if wanted.scale == "default" else f"-{wanted.scale}"
    kind = wanted.data.source.partition(":")[0]
    return order.out / f"{wanted.name}{scale}{'' if kind == 'synthetic' else f'-{kind}'}"


def _storage(order: Order, study: Study) -> tuple[str, str]:
    """Return where the trials are kept, and what says so."""
    if order.storage:
        return order.storage, "--storage"
    if study.spec.storage:
        return study.spec.storage, f"{study.document.place_of(('study', 'storage'))}: study.storage"
    return f"sqlite:///{_folder(order, study)}/study.db", "storage"


def _open(order: Order, study: Study) -> optuna.Study:
    from bench.study.search import storage

    spec, place = _storage(order, study)
    return storage.open_study(study, storage.open_storage(spec, place), spec, accept=order.accept, place=place)


def _check_data(order: Order, studies: Sequence[Study]) -> None:
    """Open every study, and make sure that its cities hold the rows that its trials were made of."""
    from bench.study.outcome import mixes
    from bench.study.search import storage

    opened = [_open(order, study) for study in studies]
    source, marks = _source(studies[0]), dict[str, str]()
    for study, found in zip(studies, opened, strict=True):
        test = study.protocol.splits[0].test
        for city in dict.fromkeys((*(mixes.players(study) or study.cities), *test)):
            marks.setdefault(city, source.load(city).fingerprint())
        spec, place = _storage(order, study)
        storage.agree_on_data(found, marks, spec, accept=order.accept, place=place)


def _source(study: Study) -> Source:
    from bench.data.sources import open_source

    data = study.protocol.data
    return open_source(data.source, seed=data.seed, options=dict(data.options))


def _evaluator(order: Order, study: Study) -> Evaluator:
    from bench.running import hardware
    from bench.running.hardware import Place
    from bench.study.search.evaluate import Evaluator

    here = hardware.place(1)
    shared = Place(here.device, max(1, here.threads // order.workers), 1, shared=order.workers > 1)
    return Evaluator(_source(study), order.out, _folder(order, study), shared)


def _work(order: Order, number: int) -> None:
    """Be worker ``number``: bring every model's study to its total."""
    from bench.study.search import storage
    from bench.study.search.work import work

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    for study in _read(order):
        with storage.told(*_storage(order, study)):
            work(study, _open(order, study), _evaluator(order, study), say, number=number)


def _work_side_by_side(order: Order) -> None:
    """Start the workers and wait for them; they end with this process."""
    start = multiprocessing.get_context("spawn")
    workers = [start.Process(target=_worker, args=(order, number), daemon=False) for number in range(order.workers)]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        for worker in workers:
            worker.join()
        raise
    if failed := [number for number, worker in enumerate(workers) if worker.exitcode]:
        print(f"warning: worker {', '.join(map(str, failed))} ended early; its trial is free again", file=sys.stderr)


def _worker(order: Order, number: int) -> None:
    """A process of its own, which ends with its parent; a user's mistake is told in plain lines."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are started with it ignored
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _work(order, number)
    except UserError as error:
        print("\n".join(f"error: {line}" for line in error.messages), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


def _end_with_parent() -> None:
    """Interrupt this process when its parent is gone, so that no worker is left behind unseen."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGINT)


def _report(order: Order, studies: Sequence[Study], console: Console) -> int:
    """Score the chosen few on test users, print the report and write it."""
    from bench.study.outcome.gather import gather

    outcomes = []
    for study in studies:
        opened, evaluator = _open(order, study), _evaluator(order, study)
        ended = sum(t.state.is_finished() for t in _standing(study, opened))
        outcomes.append(gather(study, opened, evaluator, test=ended >= study.total))
    write(outcomes, order.to or _folder(order, studies[0]), console, _command(order))
    return 1 if any(trial.state == "failed" for outcome in outcomes for trial in outcome.trials) else 0


def _standing(study: Study, opened: optuna.Study) -> list[FrozenTrial]:
    from bench.study.search.claims import Claims

    return Claims(study, opened).standing()


def _command(order: Order) -> str:
    """Write the command as anyone can give it again: no folders of this machine, nothing that changes no figure."""
    path = order.path.name if order.path.is_absolute() else order.path.as_posix()
    parts = ["bench study", path]
    parts += [f"--data {order.data.partition(':')[0]}:FOLDER"] if order.data and ":" in order.data else []
    parts += [f"--scale {order.scale}"] if order.scale else []
    parts += [f"--adapter {target}" for target in order.adapters]
    return " ".join([*parts, *(f"--set '{text}'" for text in order.overrides)])


def write(outcomes: Sequence[Outcome], folder: Path, console: Console, command: str) -> None:
    """Print a study's report; write study.md, trials.csv, cities.csv and figures into ``folder``."""
    import importlib.util

    from bench.files import write_text
    from bench.report import markdown, terminal
    from bench.study.outcome import export, figures
    from bench.study.outcome.report import lay_out

    report = lay_out(outcomes, command)
    terminal.show(report, console)
    made = ["study.md", "trials.csv"]
    write_text(folder / "trials.csv", export.trials(outcomes))
    if (values := export.city_values(outcomes)).count("\n") > 1:
        write_text(folder / "cities.csv", values)
        made.append("cities.csv")
    drawn, note = list[Path](), "no figures (pip install 'mobility-bench[figures]')"
    if importlib.util.find_spec("matplotlib"):
        drawn = [path for outcome in outcomes for path in figures.draw(outcome, folder / "figures")]
        note = f"figures: {len(drawn)}"
    shown = "".join(f"\n![{path.stem}](figures/{path.name})\n" for path in drawn)
    write_text(folder / "study.md", markdown.render(report) + (f"\n## Figures\n{shown}" if drawn else ""))
    console.print(f"Written to {folder}: {', '.join(made)}, {note}", style="dim", markup=False, highlight=False)
