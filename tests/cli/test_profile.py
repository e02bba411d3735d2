"""bench profile: what is asked in which batches, what the table says, and what is refused."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import ClassVar

import pytest
from rich.console import Console
from typer.testing import CliRunner

from bench.adapters.adapter import Context, Settings
from bench.cli.app import app
from bench.cli.profile import DECODINGS, Order, measure, settings_of, show
from bench.data.sources.synthetic import Synthetic
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.errors import UserError
from bench.profiling import profile
from bench.profiling.profile import Line, Variant
from bench.profiling.roofline import Rates
from bench.profiling.table import as_csv
from bench.profiling.variants import DECODINGS as KNOWN_DECODINGS
from tests.outside_models import Counts


class Noted(Counts):
    """Notes how it is asked; knows what a pass over it takes."""

    name: ClassVar[str] = "noted"

    class Settings(Settings):
        """fast: asked another way."""

        predicts_with: ClassVar[frozenset[str]] = frozenset({"fast"})
        fit_seconds: float = 0.0
        fast: bool = False

    cell = (1, 1)

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self.asked: list[tuple[int, int, bool]] = []

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer, and note users, queries and the way."""
        self.asked.append((len(queries.users), len(queries), self.settings.fast))
        return super().predict(history, queries, ctx)

    def usage(self) -> dict[str, float]:
        """Tokens read are needed for a roofline."""
        return {**super().usage(), "tokens_read": 100.0 * self.totals["users"]}

    def facts(self) -> dict[str, int]:
        """What a pass takes."""
        return {"layer_parameters": 1000, "layer_bytes": 4000, "cache_bytes_a_token": 8, "attention_width": 16}


@pytest.fixture(scope="module")
def asked() -> profile.People:
    return profile.people(Synthetic(seed=3, users=40).load("B"), Context(), users=9, trainers=5)


def test_users_are_spread_and_nobody_is_asked_and_learned_from(asked: profile.People) -> None:
    assert len(asked.history.users) == 9
    assert set(asked.history.users) == set(asked.queries.users)
    assert len(asked.train.users) == 5
    assert not set(asked.train.users) & set(asked.history.users)
    assert asked.history.d.max() < 60 <= asked.queries.d.min()


@pytest.mark.parametrize(("batch", "users", "calls"), [(1, 3, [1, 1, 1]), (4, 9, [4, 4]), (4, 1, [4]), (30, 5, [9])])
def test_a_variant_is_asked_in_full_batches_after_a_warm_up(
    asked: profile.People, batch: int, users: int, calls: list[int]
) -> None:
    model = Noted()
    settings = model.settings.model_copy(update={"fast": True})
    rates = Rates(1e6, 1e6, "a guess")
    line = profile.measure(model, asked, Variant("fast", batch, settings), users, Context(), lambda: rates)
    warm, *timed = model.asked
    few = min(calls[0], profile.WARM_UP_USERS)
    assert warm == (few, 8 * few, True)
    assert [count for count, _queries, _way in timed] == calls
    assert line.users == sum(calls)
    assert len(line.seconds) == len(calls)
    assert line.per_trajectory == pytest.approx(sum(line.seconds) / sum(calls))
    assert line.work["forward_passes"] == 3
    assert line.roofline.total > 0
    assert line.peak_memory_mb > 20


def test_the_table_and_its_csv_hold_the_same(tmp_path: Path) -> None:
    work = {"forward_passes": 96.0, "tokens_read": 7412.0, "tokens_fed": 3000.0, "drafted": 400.0, "accepted": 300.0}
    variant = Variant("speculative-chain", 8, Settings())
    lines = [Line(variant, 16, (4.0, 6.0), {**work, "decode_seconds": 0.5}, profile.Roofline(0.1, 0.15), 900.0, 5000.0)]
    console = Console(file=io.StringIO(), width=200)
    show(lines, ["Hardware: none."], Order("llama_mob", to=tmp_path / "p.md"), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for figure in ("speculative-chain", "625 ms", "250 ms", "2.5", "96", "7,412", "75 %", "5.0 GB"):
        assert figure in text
        assert figure.replace(" ", "&nbsp;") in (tmp_path / "p.md").read_text()
    assert "Hardware: none." in (tmp_path / "p.md").read_text()
    (row,) = csv.DictReader(io.StringIO(as_csv(lines)))
    assert (row["seconds_per_trajectory"], row["seconds_per_call_p50"]) == ("0.625", "5")
    assert row["roofline_decode_s"] == "0.15"
    assert (row["forward_passes"], row["accepted"]) == ("96", "300")


def test_any_model_of_the_registry_is_measured() -> None:
    lines, notes = measure(Order("slot_mode", batch="1,2", users=2, device="cpu"), Console(quiet=True))
    assert [(line.variant.batch, line.users) for line in lines] == [(1, 2), (2, 2)]
    assert all(line.roofline is None and not line.work for line in lines)
    assert "Roofline" not in " ".join(notes)


def test_settings_come_from_options_and_overrides() -> None:
    order = Order("llama_mob", ("decoding.temperature=0.5", "history_days=7"), weights="random", shape="llama-3-8b")
    assert settings_of(order) == {
        "weights": "random",
        "shape": "llama-3-8b",
        "tuning": "none",
        "decoding": {"temperature": 0.5},
        "history_days": 7,
    }
    assert settings_of(Order("llama_mob", ("tuning=lora",), weights="random"))["tuning"] == "lora"


def test_help_names_the_ways_of_decoding() -> None:
    assert DECODINGS.split(", ") == list(KNOWN_DECODINGS)


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (Order("slot_mode", weights="random"), "--weights: slot_mode has no such setting"),
        (Order("slot_mode", decoding="jump_forward"), "--decoding: slot_mode writes no text"),
        (Order("llama_mob", decoding="jump_foward"), "did you mean 'jump_forward'"),
        (Order("slot_mode", batch="1,x"), "'x' is not a number of users"),
        (Order("slot_mode", batch="0"), "'0' is not a number of users"),
        (Order("slot_mode", ("k",)), "KEY=VALUE"),
        (Order("slot_mode", city="Z"), "has no city 'Z'"),
        (Order("slot_modes"), "did you mean 'slot_mode'"),
        (Order("llama_mob", ("base=/no/such/folder",)), "there is no such folder"),
    ],
)
def test_what_cannot_be_measured_is_said(order: Order, said: str) -> None:
    with pytest.raises(UserError, match=said):
        measure(order, Console(quiet=True))


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.records.provenance._gpu_name", lambda: None)
    from bench.records.provenance import machine

    machine.cache_clear()
    with pytest.raises(UserError, match="this machine has no GPU"):
        measure(Order("slot_mode", device="cuda"), Console(quiet=True))
    machine.cache_clear()


def test_the_command_prints_a_table_and_refuses_other_endings(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["profile", "user_mode", "--users", "1", "--to", str(tmp_path / "p.csv")])
    assert done.exit_code == 0, done.output
    assert "Cost per trajectory: user_mode" in done.output
    assert (tmp_path / "p.csv").exists()
    refused = CliRunner().invoke(app, ["profile", "user_mode", "--to", str(tmp_path / "p.txt")])
    assert isinstance(refused.exception, UserError)
