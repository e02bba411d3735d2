"""Reads a study file: a protocol with one split and a section ``study``. All faults come at once, with their lines."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import UserError, nearest
from bench.protocol import reading as protocols
from bench.protocol import sweep
from bench.protocol.checking import Reader
from bench.protocol.schema import ModelSpec, Protocol
from bench.protocol.yamlfile import Node, describe
from bench.study.spec.placing import as_node, place
from bench.study.spec.schema import (
    COSTS,
    GRID,
    LISTED,
    TRAJECTORIES,
    Axis,
    Choice,
    Named,
    Study,
    StudySpec,
    choices,
    text_of,
)

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

RANGE = ("low", "high", "step", "log")
NOT = (
    "BaseSampler",
    "BasePruner",
    "BaseGASampler",
    "GridSampler",
    "PartialFixedSampler",
)  # GRID does what GridSampler does


def load(
    path: Path,
    *,
    scale: str | None = None,
    overrides: Sequence[str] = (),
    data: str | None = None,
    add: Sequence[str] = (),
) -> tuple[Study, ...]:
    """Read a study file; return one study for each of its models. Arguments as those of bench.protocol.reading.load.

    Raises UserError with all faults.
    """
    root, faults = protocols.document(path, scale=scale, overrides=overrides, data=data, add=add)
    reader = _StudyReader(root)
    found = reader.studies(scale or protocols.BASE)
    faults += [f"{where}: {text}" for where, text in reader.faults]
    if faults:
        raise UserError(*dict.fromkeys(faults))
    return found


class _StudyReader(Reader):
    """A protocol's reader that also reads the section ``study``."""

    def studies(self, scale: str) -> tuple[Study, ...]:
        """Return the studies, or note what is wrong."""
        base = self.protocol(scale, ())
        section = self.root.get("study")
        if section is None:
            self.fault(self.root.place, "study: is missing; add it, or run this protocol with bench run")
        spec: StudySpec | None = self.part(StudySpec, section, "study")
        if section is None or spec is None:
            return ()
        space = section.get("space")
        assert space is not None
        axes = [axis for name, node in space.value.items() if (axis := self.axis(name, node, space.keys[name]))]
        self.check_objectives(spec, section)
        self.check_optuna(spec, section)
        if base is None or len(axes) < len(space.value):
            return ()
        self.check_protocol(base, section)
        self.check_axes(axes, scale)
        self.check_untuned(spec, section, scale)
        found = tuple(
            Study(self.root, base.model_copy(update={"models": (model,)}), spec, _axes_of(axes, model, base))
            for model in base.models
        )
        self.check_total(found, section)
        return found

    def axis(self, name: str, node: Node, where: str) -> Axis | None:
        """Read one entry of the space."""
        try:
            distribution, values = _distribution(node, name)
        except ValueError as error:
            self.fault(node.place, f"study.space.{name}: {error}")
            return None
        return Axis(name, where, distribution, values)

    def check_axes(self, axes: Sequence[Axis], scale: str) -> None:
        """Note every choice that the protocol refuses: unknown settings or cities, values out of range."""
        for axis in axes:
            for choice in _extremes(axis):
                change = partial(place, self.root, [axis], {axis.name: choice})
                self.check_document(change, "study.space", axis.name, scale)

    def check_document(self, change: Callable[[], Node | None], field: str, path: str, scale: str) -> None:
        """Note the protocol's faults after a change at ``path``, which the study's ``field`` asks for."""
        found: list[tuple[str, str]] = []
        try:
            root = change()
        except UserError as error:
            found += [(where, text) for where, _, text in (message.partition(": ") for message in error.messages)]
        else:
            reader = Reader(self.root if root is None else root)
            reader.protocol(scale, ())
            found += reader.faults
        for where, text in found:
            self.fault(where, f"{field}.{path}: {_without(path, text)}")

    def check_untuned(self, spec: StudySpec, section: Node, scale: str) -> None:
        """Note settings of the untuned state that a model does not know."""
        for path, value in spec.untuned.items():
            where = section.place_of(("untuned", path))
            if not path.startswith("models."):
                self.fault(where, f"study.untuned.{path}: name a setting, as models.NAME.SETTING")
            else:
                change = partial(sweep.assign, self.root, path, as_node(value, where))
                self.check_document(change, "study.untuned", path, scale)

    def check_protocol(self, base: Protocol, section: Node) -> None:
        """Note what a study cannot have: several splits, sweeps, no validation users to ask."""
        if len(base.splits) != 1:
            text = f"splits: a study varies one split, this file has {len(base.splits)}; keep one, without sweeps"
            self.fault(self.root.place_of(("splits",)), text)
        if base.users.roles == "city":
            text = "users.roles: with 'city' a tested city has no validation users to ask; use hash"
            self.fault(self.root.place_of(("users", "roles")), text)
        for role, chosen in (("validate", base.users.validate_), ("train", base.users.train)):
            if (role, chosen.kind) in (("validate", "all"), ("validate", "uids")):
                text = f"users.{role}: '{chosen}' leaves nobody for trials to ask; give a number"
                self.fault(self.root.place_of(("users", role)), text)

    def check_objectives(self, spec: StudySpec, section: Node) -> None:
        """Note unknown objectives, and directions that seek worse values."""
        from bench.evaluation import metrics

        better: dict[str, str] = {name: metrics.get(name).better for name in metrics.names()}
        better |= dict.fromkeys((*COSTS, TRAJECTORIES), "lower") | {"throughput_per_s": "higher"}
        for name, direction in spec.objectives.items():
            right = "maximize" if better.get(name) == "higher" else "minimize"
            where = section.place_of(("objectives", name))
            if name not in better:
                self.fault(where, f"study.objectives.{name}: is not known{nearest(name, better)}")
            elif direction != right:
                self.fault(where, f"study.objectives.{name}: the {better[name]} is better; write {right}")

    def check_optuna(self, spec: StudySpec, section: Node) -> None:
        """Note samplers, pruners and arguments that Optuna does not have, and a pruner that cannot prune."""
        for key, given in (("sampler", spec.sampler), ("pruner", spec.pruner)):
            try:
                make(key, given)
            except ValueError as error:
                self.fault(section.place_of((key,)), f"study.{key}: {error}")
        place = section.place_of(("pruner",))
        if spec.pruner.name != "NopPruner" and len(spec.objectives) > 1:
            text = "study.pruner: Optuna prunes studies of one objective only; keep one, or remove the pruner"
            self.fault(place, text)
        elif spec.pruner.name != "NopPruner" and set(spec.objectives.values()) != {"maximize"}:
            text = "study.pruner: models report scores that are better when higher; maximize, or remove the pruner"
            self.fault(place, text)

    def check_total(self, found: Sequence[Study], section: Node) -> None:
        """Note an infinite space without a total, or with a sampler that tries every point."""
        for study in found:
            endless = [axis.name for axis in study.axes if choices(axis) is None]
            if not study.axes:
                self.fault(section.place_of(("space",)), f"study.space: nothing in it applies to '{study.model}'")
            elif endless and study.in_order:
                text = f"study.sampler: {GRID} needs a finite space; give {', '.join(endless)} a step, or a list"
                self.fault(section.place_of(("sampler",)), text)
            elif study.in_order and study.total > LISTED:
                text = f"study.n_trials: {study.total} points are more than a grid can list ({LISTED}); give a total"
                self.fault(section.place, text)
            elif endless and study.spec.n_trials is None:
                text = f"study.n_trials: is missing; the space is infinite ({', '.join(endless)})"
                self.fault(section.place, text)


def _axes_of(axes: Sequence[Axis], model: ModelSpec, base: Protocol) -> tuple[Axis, ...]:
    """Return the axes of one model: its settings, and those that belong to no model."""
    others = {name for other in base.models if other.name != model.name for name in (other.name, other.use)}

    def of(axis: Axis, names: Iterable[str]) -> bool:
        return any(axis.name.startswith(f"models.{name}.") for name in names)

    return tuple(axis for axis in axes if of(axis, (model.name, model.use)) or not of(axis, others))


def _without(path: str, text: str) -> str:
    """Remove the part's name from a fault, if the study's field already gives it."""
    part, _, rest = text.partition(": ")
    of_cities = path == "cities" or path.startswith("shares.")
    return rest if part == path or (of_cities and part.startswith("splits.0.train.")) else text


def _distribution(node: Node, name: str) -> tuple[BaseDistribution, dict[Choice, Any]]:
    """Return Optuna's distribution for an entry, and the value of each choice. Raises ValueError."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    given = node.plain()
    if isinstance(given, dict) and set(given) == {"subsets"}:
        given = _subsets(given["subsets"])
    if isinstance(given, list):
        if not given:
            raise ValueError("a list with at least one value is needed")
        if name == "cities" and not all(map(_is_cities, given)):
            raise ValueError("each choice is a list of cities; write [[B], [B, C]] or {subsets: [B, C]}")
        named = {("+".join(v) if _is_cities(v) else text_of(v)): v for v in given}
        if len(named) < len(given):
            raise ValueError("a value appears twice; keep one")
        return CategoricalDistribution(tuple(named)), named
    if not isinstance(given, dict) or not {"low", "high"} <= set(given) or not set(given) <= set(RANGE):
        raise ValueError(f"a list, {{low, high, step, log}} or {{subsets: [...]}} is needed, not {describe(given)}")
    is_share = name.startswith("shares.")
    numbers = [value for key, value in given.items() if key != "log"]
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in numbers):
        raise ValueError("low, high and step are numbers")
    kind = IntDistribution if all(isinstance(v, int) for v in numbers) and not is_share else FloatDistribution
    return kind(**given), {}


def _subsets(members: Any) -> list[list[str]]:
    """Return all subsets except the empty one, small ones first."""
    if not _is_cities(members) or len(set(members)) < len(members):
        raise ValueError(f"subsets: a list of different names is needed, not {members!r}")
    return [list(chosen) for size in range(1, len(members) + 1) for chosen in itertools.combinations(members, size)]


def _is_cities(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def _extremes(axis: Axis) -> tuple[Choice, ...]:
    """Return the choices to check for all: every listed one, or the ends of a range."""
    if axis.values:
        return tuple(axis.values)
    return axis.distribution.low, axis.distribution.high  # type: ignore[attr-defined]


def make(kind: str, given: Named, **more: Any) -> Any:
    """Build one of Optuna's samplers or pruners by its name. kind: "sampler" or "pruner". Raises ValueError."""
    import warnings

    from optuna import pruners, samplers

    module, base = (samplers, samplers.BaseSampler) if kind == "sampler" else (pruners, pruners.BasePruner)
    known = {n: c for n, c in vars(module).items() if isinstance(c, type) and issubclass(c, base) and n not in NOT}
    if given.name not in known:
        raise ValueError(f"'{given.name}' is not known{nearest(given.name, known)}")
    takes = inspect.signature(known[given.name]).parameters
    for option in given.options:
        if option not in takes:
            raise ValueError(f"{given.name} takes no '{option}'{nearest(option, takes)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of arguments that Optuna calls experimental
            return known[given.name](**{**given.options, **{k: v for k, v in more.items() if k in takes}})
    except (TypeError, ValueError, ImportError) as error:
        raise ValueError(f"{given.name}: {' '.join(str(error).split())}") from None
