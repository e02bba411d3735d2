"""The loop on a straight line: it learns, keeps what it should, survives kills, and says when it diverges."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from toy import Line, fit, network, same

from bench.adapters.adapter import OutOfTime
from bench.errors import UserError
from bench.training import checkpoint, loop
from bench.training.loop import Trainer


def test_a_line_is_learned_and_the_report_says_how(tmp_path: Path) -> None:
    model = network()
    report = fit(model, tmp_path, epochs=40)
    assert model.weight.item() == pytest.approx(3, abs=0.2)
    assert model.bias.item() == pytest.approx(1, abs=0.2)
    assert (report.steps, report.epochs, report.learned) == (120, 40, 2)
    assert report.counts == {"points": 480}
    facts = report.facts()
    assert facts["loss_last"] < facts["loss_first"]
    assert len(str(facts["loss_curve"]).split()) == 20


@pytest.mark.parametrize(
    ("keep", "scores", "kept"),
    [
        ("best", [0.0, 2.0, 1.0], 3),
        ("best", [5.0, 2.0, 1.0], 0),
        ("best_trained", [5.0, 1.0, 2.0], 6),
        ("last", [5.0, 2.0, 1.0], 6),
        ("best", [None, None, None], 6),
        ("best", [1.0, 1.0, 1.0], 0),
    ],
)
def test_the_kept_weights_are_those_that_the_recipe_names(
    keep: str, scores: list[float | None], kept: int, tmp_path: Path
) -> None:
    model, there = network(), {0: network()}
    task = Line(scores)
    task.validated = lambda progress: there.__setitem__(progress["step"], copy(model))  # type: ignore[method-assign]
    report = fit(model, tmp_path, task, epochs=2, keep=keep)
    assert (report.kept_step, report.kept_epoch) == (kept, kept // 3)
    assert report.rejected == (kept == 0)
    assert same(model, there[kept])


def copy(model: torch.nn.Module) -> torch.nn.Module:
    other = network()
    other.load_state_dict(model.state_dict())
    return other


def test_weights_may_have_a_rate_of_their_own(tmp_path: Path) -> None:
    start, model = network(), network()
    fit(model, tmp_path, epochs=1, schedule="constant", own_rates={"weight": 1e-3, "no such": 1.0})
    assert abs(model.weight.item() - start.weight.item()) == pytest.approx(3 * 1e-3, rel=0.1)  # Adam's, three steps
    assert abs(model.bias.item() - start.bias.item()) == pytest.approx(3 * 0.1, rel=0.2)


@pytest.mark.parametrize("own_rates", [{}, {"weight": 0.02}], ids=["one rate", "two rates"])
@pytest.mark.parametrize("average", [None, 0.9])
@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_killed_fit_resumes_and_ends_with_the_same_weights(
    after: int, average: float | None, own_rates: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)

    def stop(_label: str, done: float, _total: float) -> None:
        if done > after:
            raise OutOfTime

    whole, killed, resumed = network(), network(), network()
    given = {"average": average, "own_rates": own_rates}
    straight = fit(whole, tmp_path / "whole", **given)
    with pytest.raises(OutOfTime):
        fit(killed, tmp_path / "killed", progress=stop, **given)
    again = fit(resumed, tmp_path / "killed", **given)
    assert same(whole, resumed)
    assert (again.losses, again.scores, again.kept_step) == (straight.losses, straight.scores, straight.kept_step)


def test_a_fit_that_is_done_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = network()
    fit(first, tmp_path)
    monkeypatch.setattr(Trainer, "_step", lambda *_given: pytest.fail("a step was made again"))
    again = network()
    fit(again, tmp_path)
    assert same(first, again)


def test_the_checkpoint_of_another_fit_is_not_taken_up(tmp_path: Path) -> None:
    fit(network(), tmp_path, key="another", learning_rate=1.0)
    one, clean = network(), network()
    fit(one, tmp_path)
    fit(clean, tmp_path / "clean")
    assert same(one, clean)
    checkpoint.refuse_another(tmp_path, "k")
    with pytest.raises(UserError, match="give another folder"):
        checkpoint.refuse_another(tmp_path, "another")


def test_two_do_not_train_in_one_folder(tmp_path: Path) -> None:
    with FileLock(tmp_path / loop.LOCK), pytest.raises(UserError, match="another process trains there"):
        fit(network(), tmp_path)
    fit(network(), tmp_path)


def test_validation_comes_every_so_many_steps(tmp_path: Path) -> None:
    task = Line()
    told: list[int] = []
    report = fit(network(), tmp_path, task, epochs=3, validate_every=2, intermediate=lambda n, _score: told.append(n))
    assert task.heard == [step for step, _score in report.scores] == [0, 2, 4, 6, 8]
    assert told == [0, 1, 2, 3, 4]


def test_a_running_average_is_validated_and_kept(tmp_path: Path) -> None:
    averaged, trained, start = network(), network(), network()
    fit(averaged, tmp_path / "one", epochs=1, average=0.99, keep="last")
    fit(trained, tmp_path / "two", epochs=1, keep="last")
    moved = [abs((model.weight - start.weight).item()) for model in (averaged, trained)]
    assert 0 < moved[0] < moved[1], "the mean of the start and of three steps lies between"


def test_training_stops_when_its_seconds_are_over(tmp_path: Path) -> None:
    report = fit(network(), tmp_path, max_seconds=1e-9)
    assert (report.steps, report.kept_step, report.rejected) == (0, 0, False)


def test_seconds_are_counted_once_and_over_kills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that only the loss moves: one second for each of 4 parts in 12 steps."""
    clock, monotonic = [0.0], time.monotonic
    monkeypatch.setattr("bench.training.loop.time.monotonic", lambda: clock[0])

    class Slow(Line):
        def loss(self, network: torch.nn.Module, part: torch.Tensor) -> torch.Tensor:
            clock[0] += 1
            return super().loss(network, part)

    def stop(_label: str, done: float, _total: float) -> None:
        if done == 5:
            raise OutOfTime

    with pytest.raises(OutOfTime):
        fit(network(), tmp_path, Slow(), progress=stop)
    report = fit(network(), tmp_path, Slow())
    monkeypatch.setattr("bench.training.loop.time.monotonic", monotonic)
    assert report.seconds == 4 * 12


def test_a_deadline_ends_the_fit(tmp_path: Path) -> None:
    with pytest.raises(OutOfTime):
        fit(network(), tmp_path, deadline=-1.0)


def test_divergence_is_told_with_its_step(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match=r"training diverged: .* lower learning_rate"):
        fit(network(), tmp_path, learning_rate=1e38, clip_norm=None)


def test_no_clipping_takes_the_whole_gradient(tmp_path: Path) -> None:
    """AdamW's first step does not depend on the gradient's size, its second does on how the two compare."""
    clipped, free = network(), network()
    fit(clipped, tmp_path / "one", epochs=1, clip_norm=1e-3)
    fit(free, tmp_path / "two", epochs=1, clip_norm=None)
    assert not same(clipped, free)
