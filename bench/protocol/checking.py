"""Checks a protocol's document part by part, so one fault does not hide the others."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any

from pydantic import Field, StrictBool, StrictInt, TypeAdapter, ValidationError

from bench.adapters import registry
from bench.errors import UserError, nearest
from bench.protocol import sweep
from bench.protocol.schema import (
    METRICS,
    SCHEMA,
    AnswersSpec,
    DataSpec,
    LimitsSpec,
    MetricsSpec,
    ModelEntry,
    ModelSpec,
    Protocol,
    Seeds,
    SplitEntry,
    SplitSpec,
    UsersSpec,
    WindowSpec,
    field_names,
)
from bench.protocol.values import Cities, Name, Text
from bench.protocol.yamlfile import Node, describe

REQUIRED = ("schema", "name", "about", "data", "window", "splits", "users", "models")
OPTIONAL = (
    "version",
    "floor",
    "sweep",
    "metrics",
    "answers",
    "seeds",
    "limits",
    "scales",
    "study",
)  # bench/study/ reads the last


class Reader:
    """Turns a document into a Protocol and collects its faults as (place, text)."""

    def __init__(self, root: Node) -> None:
        self.root = root
        self.faults: list[tuple[str, str]] = []

    def fault(self, place: str, text: str) -> None:
        """Note a fault once."""
        if (place, text) not in self.faults:
            self.faults.append((place, text))

    def part(self, kind: Any, node: Node | None, name: str) -> Any:
        """Validate one part; on faults note each with its line and return None."""
        if node is None:
            return None
        try:
            return _checker(kind).validate_python(node.plain())
        except ValidationError as error:
            for fault in error.errors():
                loc = fault["loc"]
                place = node.place_of(loc) if loc else node.changed or node.place
                self.fault(place, f"{'.'.join(map(str, (name, *loc)))}: {_phrase(fault, kind)}")
            return None

    def section(self, kind: Any, name: str) -> Any:
        """Validate a part of the top level."""
        return self.part(kind, self.root.get(name), name)

    def items(self, name: str) -> list[Node]:
        """Return the entries of a list of the top level, which must not be empty."""
        node = self.root.get(name)
        if node is None or (isinstance(node.value, list) and node.value):
            return node.value if node else []
        self.fault(node.place, f"{name}: a list with at least one entry is needed, not {describe(node.plain())}")
        return []

    def protocol(self, scale: str, only: Sequence[str]) -> Protocol | None:
        """Return the protocol, or None where something is wrong."""
        self.top_level()
        data: DataSpec | None = self.section(DataSpec, "data")
        window: WindowSpec | None = self.section(WindowSpec, "window")
        users: UsersSpec | None = self.section(UsersSpec, "users")
        swept = self.swept()
        splits = self.splits(swept)
        models = self.models(swept, only)
        parts = {
            "schema_version": SCHEMA,
            "name": self.section(Name, "name"),
            "version": self.section(Annotated[StrictInt, Field(ge=1)], "version") if self.root.get("version") else 1,
            "about": self.section(Text, "about"),
            "metrics": self.section(MetricsSpec, "metrics") if self.root.get("metrics") else METRICS,
            "answers": self.section(AnswersSpec, "answers") if self.root.get("answers") else AnswersSpec(),
            "floor": self.section(StrictBool, "floor") if self.root.get("floor") else True,
            "seeds": self.section(Seeds, "seeds") if self.root.get("seeds") else (0,),
            "limits": self.section(LimitsSpec, "limits") if self.root.get("limits") else LimitsSpec(),
        }
        if self.faults or data is None or window is None or users is None:
            return None
        notes = (
            f"training users are seen on days {split.train.days[0]}-{split.train.days[1]}, which include dates of the "
            f"horizon {split.window.horizon[0]}-{split.window.horizon[1]}; test users never are"
            for split in splits
            if split.sees_horizon_dates
        )
        return Protocol(
            data=data,
            window=window.window(),
            splits=splits,
            users=users,
            models=models,
            scale=scale,
            notes=tuple(dict.fromkeys(notes)),
            **parts,
        )

    def top_level(self) -> None:
        """Note unknown and missing keys, and another schema."""
        known = (*REQUIRED, *OPTIONAL)
        for key in self.root.value:
            if key not in known:
                self.fault(self.root.keys[key], f"{key}: unknown key{nearest(key, known)}")
        for key in REQUIRED:
            if key not in self.root.value:
                self.fault(self.root.place, f"{key}: is missing; add it")
        schema = self.root.get("schema")
        if schema is not None and (schema.value != SCHEMA or isinstance(schema.value, bool)):
            self.fault(self.root.keys["schema"], f"schema: this version reads schema {SCHEMA}, not {schema.plain()!r}")
        scales = self.root.get("scales")
        if scales is not None and not isinstance(scales.value, dict):
            self.fault(scales.place, f"scales: a mapping of names is needed, not {describe(scales.plain())}")

    def swept(self) -> dict[str, list[Node]]:
        """Return the sweep's lists by key."""
        try:
            return sweep.read(self.root)
        except UserError as error:
            for message in error.messages:
                place, _, text = message.partition(": ")
                self.fault(place, text)
            return {}

    def splits(self, swept: dict[str, list[Node]]) -> tuple[SplitSpec, ...]:
        """Return every split, multiplied by the sweeps over users and windows."""
        found: list[SplitSpec] = []
        section = self.root.get("data")
        known: tuple[str, ...] | None = self.part(Cities, section.get("cities") if section else None, "data.cities")
        for i, node in enumerate(self.items("splits")):
            entry: SplitEntry | None = self.part(SplitEntry, node, f"splits.{i}")
            if entry is None:
                continue
            self.check_cities(entry, node, f"splits.{i}", known)
            for variant, window, users in sweep.split_variants(self.root, node, swept):
                seen: WindowSpec | None = self.part(WindowSpec, window, "window")
                chosen: UsersSpec | None = self.part(UsersSpec, users, "users")
                if seen and chosen:
                    days = seen.window()
                    train = entry.train.within(days)
                    split = SplitSpec(train=train, test=entry.test, users=chosen, window=days, variant=variant)
                    self.check_users(split, node, f"splits.{i}", known)
                    found.append(split)
        return tuple(found)

    def check_cities(self, split: SplitEntry, node: Node, name: str, known: Sequence[str] | None) -> None:
        """Note cities that are unknown, and shares of cities that do not train."""
        for path, cities in ((("train", "cities"), split.train.cities), (("test",), split.test)):
            for j, city in enumerate(cities):
                if known and city not in known:
                    text = f"city '{city}' is not among data.cities{nearest(city, known)}"
                    self.fault(node.place_of((*path, j)), f"{name}.{'.'.join(path)}: {text}")
        for city in split.train.shares:
            if city not in split.train.cities:
                text = f"city '{city}' does not train here{nearest(city, split.train.cities)}"
                self.fault(node.place_of(("train", "shares", city)), f"{name}.train.shares: {text}")

    def check_users(self, split: SplitSpec, node: Node, name: str, known: Sequence[str] | None) -> None:
        """Note a city with two roles, and uids of unknown cities."""
        both = sorted(set(split.train.cities) & set(split.test))
        if split.users.roles == "city" and both:
            text = f"{', '.join(both)} both trains and is tested; with users.roles: city, a city has one role only"
            self.fault(node.place_of(("test",)), f"{name}.test: {text}")
        for role, chosen in split.users.by_role().items():
            for city in chosen.uids:
                if city and known and city not in known:
                    text = f"city '{city}' is not among data.cities{nearest(city, known)}"
                    self.fault(self.root.place_of(("users", role, "uids", city)), f"users.{role}.uids: {text}")

    def models(self, swept: dict[str, list[Node]], only: Sequence[str]) -> tuple[ModelSpec, ...]:
        """Return every model, multiplied by the sweeps over its settings, with names that differ."""
        found: list[ModelSpec] = []
        resolved: dict[str, tuple[str, Any]] = {}
        known: set[str] = set()
        for i, node in enumerate(sweep.as_mapping(entry) for entry in self.items("models")):
            entry: ModelEntry | None = self.part(ModelEntry, node, f"models.{i}")
            if entry is None:
                continue
            base = entry.name or entry.use
            for name, given in sweep.model_variants(self.root, i, base, swept):
                known |= {name, base, entry.use}
                if only and not {name, base, entry.use} & set(only):
                    continue
                same = (entry.use, self.settings(entry.use, base, given))
                twin = next((other for other, value in resolved.items() if value == same and same[1] is not None), None)
                if name in resolved:
                    self.fault(node.place, f"models.{i}: the name '{name}' is taken above; give another")
                elif twin:
                    self.fault(node.place, f"models.{i}: '{name}' is the same as '{twin}'; remove one")
                resolved[name] = same
                found.append(ModelSpec(use=entry.use, name=name, settings=given.plain()))
        for name in only:
            if known and name not in known:
                self.fault(f"--only {name}", f"the protocol has no such model{nearest(name, known)}")
        return tuple(found)

    def settings(self, use: str, name: str, given: Node) -> Any:
        """Return a model's settings with their defaults; note every wrong one and return None."""
        try:
            adapter = registry.get(use)
        except UserError as error:
            self.fault(given.place, f"models.{name}: {error}")
            return None
        return self.part(adapter.Settings, given, f"models.{name}")


@cache
def _checker(kind: Any) -> TypeAdapter[Any]:
    """Return pydantic's validator of a type; building one takes longer than using it."""
    return TypeAdapter(kind)


def _phrase(fault: Any, kind: Any) -> str:
    """Put pydantic's finding into words."""
    loc, given = fault["loc"], fault["input"]
    if fault["type"] == "extra_forbidden":
        return f"unknown key{nearest(str(loc[-1]), field_names(kind, loc[:-1]))}"
    if fault["type"] == "missing":
        return "is missing; add it" if loc and isinstance(loc[-1], str) else "a value is missing here"
    if fault["type"] in ("value_error", "assertion_error"):
        return str(fault["msg"]).split(", ", 1)[1]
    if fault["type"] in ("model_type", "dict_type"):
        return f"a mapping (key: value) is needed, not {describe(given)}"
    if fault["type"] in ("tuple_type", "list_type"):
        return f"a list is needed, not {describe(given)}"
    return f"{str(fault['msg']).replace('Input should', 'should')} (got {_short(given)})"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
