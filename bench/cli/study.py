"""bench study: runs a study up to its total of trials, and reports the outcome."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import Adapters, Data, Out, Overrides, Scale
from bench.errors import UserError

if TYPE_CHECKING:
    import optuna
    from rich.console import Console

    from bench.data.sources import Source
    from bench.study.outcome.outcome import Outcome
    from bench.study.search.address import Address
    from bench.study.search.evaluate import Evaluator
    from bench.study.spec.schema import Study


@dataclass(frozen=True)
class Order:
    """What the command line asked for. workers: parallel trials; to: folder of the report, if not the run's."""

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


def study_command(
    file: Annotated[Path, typer.Argument(help="A study: a YAML file, or a name from `bench list protocols`.")],
    data: Data = None,
    scale: Scale = None,
    overrides: Overrides = None,
    adapter: Adapters = None,
    out: Out = Path("runs"),
    storage: Annotated[str | None, typer.Option(help="An Optuna URL or journal:FILE; default: a SQLite file.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Parallel trials on this machine.")] = 1,
    accept: Annotated[bool, typer.Option("--accept-changes", help="Resume although the file has changed.")] = False,
    to: Annotated[Path | None, typer.Option(help="Folder for report, CSV and figures; default: the run's.")] = None,
) -> int:
    """Search training cities, data volume and settings. Resumes an interrupted study; one process at a time."""
    given = (file, data, scale, tuple(overrides or ()), tuple(adapter or ()), out, storage, workers, accept, to)
    return _run(Order(*given))


def _run(order: Order) -> int:
    """Run a study to its total and report it; return the exit code (1 if a trial failed)."""
    from rich.console import Console

    try:
        import filelock  # noqa: F401
        import optuna  # noqa: F401
    except ImportError:
        raise UserError("bench study needs Optuna: pip install 'mobility-bench[study]'") from None
    studies = _read(order)
    try:
        with ExitStack() as stack:
            drives = [stack.enter_context(_open(order, study)) for study in studies]
            _check_data(order, drives)
            outcomes = [_drive(order, drive) for drive in drives]
    except KeyboardInterrupt:
        print("interrupted: finished trials are kept; the same command resumes the study", file=sys.stderr)
        return 130
    write(outcomes, order.to or _folder(order, studies[0]), Console(), _command(order))
    return 1 if any(trial.state == "failed" for outcome in outcomes for trial in outcome.trials) else 0


@dataclass(frozen=True)
class _Drive:
    """A study that this process alone drives, for as long as the command runs."""

    study: Study
    opened: optuna.Study
    address: Address
    still_alone: Callable[[], None]


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


def _address(order: Order, study: Study) -> Address:
    """Return where the trials are stored, and where that was set."""
    from bench.study.search.address import Address

    if order.storage:
        return Address.parse(order.storage, "--storage")
    if study.spec.storage:
        return Address.parse(study.spec.storage, f"{study.document.place_of(('study', 'storage'))}: study.storage")
    return Address.parse(f"sqlite:///{_folder(order, study)}/study.db")


@contextmanager
def _open(order: Order, study: Study) -> Iterator[_Drive]:
    """Open a study as its only driver. Raises UserError."""
    from bench.study.search import lock, storage

    address = _address(order, study)
    with lock.only_driver(address, study.name) as still_alone:
        if torn := storage.mend_journal(address):
            _say(f"{address}: the last line was cut off; its {torn} bytes are removed")
        opened = storage.open_study(study, storage.open_storage(address), address, accept=order.accept)
        with address.told():
            yield _Drive(study, opened, address, still_alone)


def _check_data(order: Order, drives: Sequence[_Drive]) -> None:
    """Make sure that the cities hold the rows of the earlier trials, and that the metrics are defined there."""
    from bench.evaluation.metrics import undefined
    from bench.study.outcome import mixes
    from bench.study.search import storage

    source, marks = _source(drives[0].study), dict[str, str]()
    for drive in drives:
        study = drive.study
        wanted = study.protocol.metrics
        for city in dict.fromkeys((*(mixes.players(study) or study.cities), *study.protocol.splits[0].test)):
            if lacking := undefined((wanted.main, *wanted.also), source.world(city).grid):
                raise UserError(f"city {city}: {lacking}")
            marks.setdefault(city, source.load(city).fingerprint())
        storage.agree_on_data(drive.opened, marks, drive.address, accept=order.accept)


def _source(study: Study) -> Source:
    from bench.data.sources import open_source

    data = study.protocol.data
    return open_source(data.source, seed=data.seed, options=dict(data.options))


def _evaluator(order: Order, study: Study) -> Evaluator:
    from bench.running import hardware
    from bench.running.hardware import Hardware
    from bench.study.search.evaluate import Evaluator

    here = hardware.detect(1)
    shared = Hardware(here.device, max(1, here.threads // order.workers), 1, shared=order.workers > 1)
    return Evaluator(_source(study), order.out, _folder(order, study), shared)


def _drive(order: Order, drive: _Drive) -> Outcome:
    """Run the trials of one study, then their references, then the finalists on test users."""
    from bench.study.outcome import gather
    from bench.study.outcome.outcome import bare, read_trials
    from bench.study.search import finalists
    from bench.study.search.driver import Driver
    from bench.study.search.evaluate import TEST

    study, opened, evaluator = drive.study, drive.opened, _evaluator(order, drive.study)
    score = partial(finalists.score_point, study, evaluator)
    Driver(
        study,
        opened,
        lambda point, on_validation_score: score(point, on_validation_score=on_validation_score),
        _say,
        workers=order.workers,
    ).run(drive.still_alone)
    trials = read_trials(opened)
    beside = finalists.references(study, bare(study)) if any(trial.scored for trial in trials) else {}
    references = finalists.score_all(study, evaluator, beside)
    outcome = gather.collect(study, opened, references, evaluator.run())
    if len(trials) < study.total:
        return outcome
    tested = finalists.score_all(study, evaluator, gather.chosen(outcome), test=True)
    return gather.with_tested(outcome, tested, evaluator.run(TEST))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _command(order: Order) -> str:
    """Write the command for others to repeat: without paths of this machine or options that change no figure."""
    path = order.path.name if order.path.is_absolute() else order.path.as_posix()
    parts = ["bench study", path]
    parts += [f"--data {order.data.partition(':')[0]}:FOLDER"] if order.data and ":" in order.data else []
    parts += [f"--scale {order.scale}"] if order.scale else []
    parts += [f"--adapter {target}" for target in order.adapters]
    return " ".join([*parts, *(f"--set '{text}'" for text in order.overrides)])


def write(outcomes: Sequence[Outcome], folder: Path, console: Console, command: str) -> None:
    """Print a study's report; write study.md, trials.csv, cities.csv and figures into ``folder``."""
    from bench.files import write_text
    from bench.report import markdown, terminal
    from bench.report.charts import files
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
    if files.available():
        drawn = [path for outcome in outcomes for path in figures.draw(outcome, folder / "figures")]
        note = f"figures: {len(drawn)}"
    shown = "".join(f"\n![{path.stem}](figures/{path.name})\n" for path in drawn)
    write_text(folder / "study.md", markdown.render(report) + (f"\n## Figures\n{shown}" if drawn else ""))
    console.print(f"Written to {folder}: {', '.join(made)}, {note}", style="dim", markup=False, highlight=False)
