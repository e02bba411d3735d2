"""A whole fit: base, users, LoRA or all weights, the loop; what it learned and what there is to say of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from bench.adapters.adapter import Context
from bench.data.trajectories import Trajectories
from bench.data.world import World, not_humob
from bench.errors import UserError
from bench.training import checkpoint, distributed
from bench.training.fit_report import FitReport
from bench.training.loop import Trainer
from models.llama_mob.answering import check_context, readable, template_for, told_before
from models.llama_mob.base import added_numbers, base
from models.llama_mob.base.base import Loaded
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine.attention import attending
from models.llama_mob.engine.sizes import ran_out
from models.llama_mob.prompts import shots
from models.llama_mob.settings import LlamaMobSettings
from models.llama_mob.tuning import kept, lora, number_rows
from models.llama_mob.tuning.examples import Example, choose, examples
from models.llama_mob.tuning.loss import TokenLoss
from models.llama_mob.tuning.task import Data, Tuning, recipe_of

VALIDATED = 100  # users at most whose loss is asked after each epoch

Learned = dict[str, Tensor]
Facts = dict[str, int | float | str]


def tune(
    train: Trajectories, validate: Trajectories | None, settings: LlamaMobSettings, ctx: Context, precision: str
) -> tuple[Learned, Facts]:
    """Fit on the training users, on all GPUs; return the learned weights by name, on the CPU, and facts to record."""
    given, count = (train, validate, settings, precision), distributed.processes(ctx.device)
    return distributed.learn_together(count, learn, given, ctx) if count > 1 else learn(*given, ctx)


def learn(
    train: Trajectories, validate: Trajectories | None, settings: LlamaMobSettings, precision: str, ctx: Context
) -> tuple[Learned, Facts]:
    """Do the fit in this process, which may be one of several."""
    torch.set_num_threads(ctx.threads)
    loaded = base.load(settings, ctx)
    data, facts = _data(train, validate, loaded.tokens, settings, ctx)
    check_context(loaded.model, settings, max(len(example.ids) for example in (*data.train, *data.validate)))
    model, dtype = loaded.model, loaded.model.dtype
    key = _key(train, validate, settings, ctx, precision)
    if settings.tuning == "lora":
        both = lora.attach(model, settings, ctx.seed_for("llama_mob", "lora"))
        with _room():
            rows, more = _fit(lora.unwrap(both), data, loaded.tokens, settings, precision, ctx, key)
        learned = lora.matrices(both) | rows
    else:
        with _room():
            model.float().requires_grad_(True)
            _rows, more = _fit(model, data, loaded.tokens, settings, precision, ctx, key)  # they are in its tables
        learned = {name: weight.detach().to("cpu", dtype) for name, weight in model.named_parameters()}
    return learned, loaded.facts | facts | more


def _fit(
    model: PreTrainedModel,
    data: Data,
    tokens: Tokens,
    settings: LlamaMobSettings,
    precision: str,
    ctx: Context,
    key: str,
) -> tuple[Learned, Facts]:
    """Do as fit does, with the rows of added numbers among what is trained; return them too."""
    if not tokens.added:
        return {}, fit(model, data, settings, precision, ctx, key)
    number_rows.attach(model, tokens)
    facts = fit(model, data, settings, precision, ctx, key)
    rows = number_rows.detach(model, tokens)
    if settings.tuning == "full":  # the tables' own rows of numbers were not used
        facts["trained_parameters"] = int(facts["trained_parameters"]) - sum(values.numel() for values in rows.values())
    return rows, facts


def fit(
    model: PreTrainedModel, data: Data, settings: LlamaMobSettings, precision: str, ctx: Context, key: str
) -> Facts:
    """Train the weights that need a gradient, and keep those that the settings ask for; return facts."""
    if settings.checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    task, recipe = Tuning(data, settings, ctx, precision), recipe_of(settings, precision)
    trainer = Trainer("llama_mob", TokenLoss(model), task, recipe, ctx, key)
    drops = getattr(model.config, "attention_dropout", 0.0)
    faster = ctx.device == "cpu" and precision == "bfloat16" and not drops
    with attending(model) if faster else nullcontext():
        return _facts(trainer.run(), data)


def _facts(report: FitReport, data: Data) -> Facts:
    """Return the report's facts with the losses on the validation users."""
    facts: Facts = {**report.facts(), "examples": len(data.train)}
    if report.scores:
        losses = [-score for _step, score in report.scores]
        facts |= {"start_loss": round(losses[0], 4), "validation_curve": " ".join(f"{loss:.4f}" for loss in losses)}
        kept = report.score(report.kept_step) if report.kept_step in dict(report.scores) else report.scores[-1][1]
        facts |= {"validation_loss": round(-kept, 4)}
        facts |= {"best_epoch": report.kept_epoch, "kept_step": report.kept_step}
    return facts


@contextmanager
def _room() -> Iterator[None]:
    """Turn an error that says that memory ran out into a UserError."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise UserError(
            "llama_mob: memory ran out in tuning: lower batch (accumulate makes up for it), set checkpointing: true or "
            "take fewer history_days"
        ) from error


def _data(
    train: Trajectories, validate: Trajectories | None, tokens: Tokens, settings: LlamaMobSettings, ctx: Context
) -> tuple[Data, Facts]:
    """Return examples of the chosen users, and of the users to check on, with counts of them."""

    shown = shots.draw(train, settings.shots, ctx) if settings.shots else None

    def made(table: Trajectories, windows: int) -> list[Example]:
        found = []
        for here, part in by_world(table, ctx):
            template, seen = template_for(settings, here), readable(part, settings, here.grid)
            told = told_before(shown, template, settings, here)
            found += examples(seen, template, tokens, settings, here, windows, told)
        return found

    unseen = [user for user in train.users if shown is None or user not in shown.users]  # the prompt holds no answer
    users = choose(unseen, settings, ctx)
    cities = Counter(city for city, _uid in users)
    data = Data(
        made(train.only(users), settings.windows),
        made(validate.only(validate.users[:VALIDATED]), 1) if validate is not None else [],
    )
    if not data.train:
        raise UserError("llama_mob: no training user has rows both in a history and in a horizon after it")
    mix = " ".join(f"{city}:{count}" for city, count in sorted(cities.items()))
    return data, {"trajectories": len(users), "mix": mix}


def by_world(table: Trajectories, ctx: Context) -> Iterator[tuple[Context, Trajectories]]:
    """Yield the rows of cities that share grid and calendar, with the context of these."""
    cities: dict[World, set[str]] = {}
    for city in dict.fromkeys(city for city, _uid in table.users):
        here = ctx.at(city)
        cities.setdefault(World(here.grid, here.calendar), set()).add(city)
    for names in cities.values():
        part = table if len(cities) == 1 else table.only([user for user in table.users if user[0] in names])
        yield ctx.at(min(names)), part


def _key(
    train: Trajectories, validate: Trajectories | None, settings: LlamaMobSettings, ctx: Context, precision: str
) -> str:
    """Hash what the learned weights depend on."""
    learns = {name: value for name, value in settings.recorded().items() if name not in settings.predicts_with}
    rows = [table.fingerprint() for table in (train, validate) if table is not None]
    asked = [learns, precision, ctx.seed, repr(ctx.window), rows, distributed.processes(ctx.device)]
    if worlds := not_humob(ctx.worlds):
        asked.append(worlds)
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def put(loaded: Loaded, learned: Learned | None, settings: LlamaMobSettings) -> Loaded:
    """Return the base with learned weights in it, ready to answer; as it is where nothing was learned."""
    if learned is None:
        return loaded
    if settings.tuning == "lora":
        if loaded.tokens.added:
            added_numbers.write(loaded.model, loaded.tokens, number_rows.split(learned)[1])
        return replace(loaded, model=lora.merge(loaded.model, learned, settings))
    weights = dict(loaded.model.named_parameters())
    kept.check(learned, weights)  # it says what to do with a fit's folder
    checkpoint.put(weights, learned)
    return loaded
