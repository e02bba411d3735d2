"""Stand-ins for outsiders' models in the process that holds the truth. Their own code runs in confined processes only.

A worker without data imports an outsider's class and reports what planning needs: first about the class, then about
the model with its settings. The types of ``Model`` check the report.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from bench.adapters import adapter, registry
from bench.adapters.adapter import Adapter, Context
from bench.data.trajectories import Answers, Queries, Trajectories
from bench.errors import UserError
from bench.running import executor
from bench.running.grants import grants
from bench.running.messages import BadMessage, Voice, plain
from bench.running.model import Model, StandIn, of_adapter

LIMIT_S = 300.0  # weights of 16 GB take half a minute to hash


class AnySettings(adapter.Settings):
    """Settings that only the outsider's own class can check."""

    model_config = ConfigDict(extra="allow", frozen=True)


def keep_out() -> None:
    """Import no outsider's module in this process from now on."""
    registry.keep_outside(introduce)


def introduce(target: str, name: str) -> type[Adapter]:
    """Return a stand-in for an outsider's class. Raises UserError with the error of its import or its class."""
    about = ask(target, name, None, "cpu")

    class Outsider(StandIn):
        """Stands for a class that is imported elsewhere."""

        Settings: ClassVar[type[adapter.Settings]] = AnySettings

        def described(self, device: str, hidden: Sequence[Path]) -> Model:
            """Ask the class itself about the model with these settings."""
            told = ask(target, name, self.settings.model_dump(mode="json"), device, hidden)
            if (told.adapter, told.version) != (about.adapter, about.version):
                raise UserError(f"adapter {target}: its class now gives another name or version")
            given = registry.names()[about.adapter]
            return replace(told, target=registry.target_of(about.adapter), folder=registry.home_of(given))

        def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
            """Answer nothing: only workers do."""
            raise RuntimeError("an outside model answers in a worker only")

    for key in ("version", "learns_from", "batch_users", "needs"):
        setattr(Outsider, key, getattr(about, key))
    Outsider.name = about.adapter
    return Outsider


def ask(target: str, name: str, settings: Mapping[str, Any] | None, device: str, hidden: Sequence[Path] = ()) -> Model:
    """Have a confined process import a class and describe it, with these settings or its defaults. Raises UserError."""
    heard: list[Model] = []
    refused: list[str] = []

    def listen(message: dict[str, Any]) -> None:
        if message["event"] == "refused":
            refused.extend(plain(str(line)) for line in message["lines"])
        elif message["event"] == "described":
            try:
                heard.append(TypeAdapter(Model).validate_python(message["about"]))
            except ValidationError:
                raise BadMessage("its class describes itself with values of the wrong type") from None

    folder = registry.home_of(target)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as root:
        work = Path(root).resolve() / "work"
        work.mkdir()
        granted, _reached = grants(
            dict(settings or {}), folders=[folder] if folder else [], reads=[], writes=[work], hidden=hidden, gpu=False
        )
        job = {
            "describe": {"target": target, "name": name, "settings": settings, "device": device},
            "folders": [folder] if folder else [],
            "grants": granted.plain(),
            "temporary": str(work),
            "compiled": str(work),
            "threads": 1,
        }
        error = executor.run_worker(job, log=Path(root) / "log.txt", listen=listen, hidden=hidden)
    if refused:
        raise UserError(*refused)
    if error or len(heard) != 1:
        raise UserError(f"adapter {target}: {error or 'its process ended without a message'}")
    return heard[0]


def tell(order: Mapping[str, Any], voice: Voice) -> None:
    """Import the class and describe it: the other end of :func:`ask`, in the confined process."""
    voice.say("phase", seconds=LIMIT_S)
    try:
        kind = registry.find(order["target"], order["name"])
        made = kind() if order["settings"] is None else registry.build(kind, dict(order["settings"]))
        about = asdict(of_adapter(made, order["device"]))
    except UserError as error:
        voice.say("refused", lines=list(error.messages))
        return
    tuned = [part.model_dump(mode="json") for part in made.tuned()]
    voice.say("described", about={**about, "needs": asdict(made.needs), "tuned": tuned})
