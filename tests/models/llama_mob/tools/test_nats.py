"""The table of losses: what its figures are, and what it says of too few users."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.adapters import registry
from bench.adapters.adapter import Context
from bench.data.sources import open_source
from bench.data.world import Window
from bench.errors import UserError
from bench.evaluation.probabilities import check, losses
from models.llama_mob.tools import nats


def test_the_table_holds_the_mean_loss_of_each_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(nats, "MODELS", {nats.FLOOR: (nats.FLOOR, {}), "days alike": (nats.FLOOR, {"day_type": 1.0})})
    monkeypatch.setattr(nats, "AT_ONCE", 3)
    nats.main(["--users", "7", "--cities", "C", "--to", str(tmp_path / "nats.md")])
    rows = [line.split("|")[1:-1] for line in (tmp_path / "nats.md").read_text().splitlines() if line.startswith("| C")]
    assert [row[2].strip() for row in rows] == [nats.FLOOR, "days alike"]
    source = open_source("synthetic", seed=1, options={"users": 7})
    people = nats.people_of(source, "C", 7, Window((50, 59), (60, 61)))
    lost = []
    for user in people.users:
        history, truth = people.of(user).days(50, 59), people.of(user).days(60, 61)
        ctx = Context(Window((50, 59), (60, 61)))
        given = registry.make(nats.FLOOR).probabilities(history, truth.queries(), ctx)
        lost.append(losses(check(given, truth.queries(), ctx.grid), truth, ctx.grid).mean())
    assert rows[0][3].split()[0] == f"{np.mean(lost):.3f}"
    assert rows[0][4].strip() == "–"
    assert float(rows[1][4].split()[0]) == pytest.approx(
        float(rows[1][3].split()[0]) - float(rows[0][3].split()[0]), abs=0.002
    )


def test_one_user_is_too_few() -> None:
    with pytest.raises(UserError, match="has 1 users with records on all those days"):
        nats.main(["--users", "1", "--cities", "C"])
