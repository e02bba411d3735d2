"""Reads a protocol: YAML, a scale and ``--set`` overrides become frozen objects, or all faults at once.

``load(Path("protocols/zero_shot.yaml"), scale="full", overrides=["users.train=50"])``
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, StrictInt, TypeAdapter, ValidationError

from bench import registry, sweep, yamlfile
from bench.errors import UserError, nearest
from bench.schema import (
    SCHEMA,
    AnswersSpec,
    DataSpec,
    LimitsSpec,
    MetricsSpec,
    ModelEntry,
    ModelSpec,
    Name,
    Protocol,
    Seeds,
    SplitEntry,
    SplitSpec,
    Text,
    UsersSpec,
    WindowSpec,
    field_names,
)
from bench.yamlfile import Node, describe

__all__ = ["BASE", "ModelSpec", "Protocol", "SplitSpec", "UsersSpec", "load", "scales"]

BASE = "default"  # the scale of a protocol as it stands
_REQUIRED = ("schema", "name", "version", "about", "data", "window", "splits", "users", "models", "metrics")
_OPTIONAL = ("sweep", "answers", "seeds", "limits", "scales")


def load(
    path: Path,
    *,
    scale: str | None = None,
    overrides: Sequence[str] = (),
    data: str | None = None,
    only: Sequence[str] = (),
    add: Sequence[str] = (),
) -> Protocol:
    """Read a protocol.

    scale: a name under ``scales`` whose parts replace those of the file; overrides: ``dotted.path=YAML value``, after
    the scale; data: a source instead of the file's (another kind of source drops ``data.options``); only: names of the
    models to keep; add: adapters to run beside those of the file. Raises UserError with all faults, each with its line.
    """
    root = yamlfile.load(path)
    chosen = _at_scale(root, scale)
    if data is not None:
        chosen = _with_source(chosen, data)
    for name in add:
        models = chosen.get("models")
        listed = models.value if models and isinstance(models.value, list) else []
        chosen = chosen.with_path(["models"], Node([*listed, Node(name, f"--adapter {name}")], chosen.place))
    chosen = _override(chosen, overrides)
    reader = _Reader(chosen)
    protocol = reader.protocol(scale or BASE, only)
    faults = [*reader.faults, *_faults_of_other_scales(root, scale)]
    if protocol is None or faults:
        raise UserError(*dict.fromkeys(f"{place}: {text}" for place, text in faults))
    return protocol


def scales(path: Path) -> tuple[str, ...]:
    """Return the names of a protocol's scales, the base first. Raises UserError."""
    found = yamlfile.load(path).get("scales")
    return (BASE, *found.value) if found and isinstance(found.value, dict) else (BASE,)


def _at_scale(root: Node, scale: str | None) -> Node:
    """Return the document with the parts of a scale put in; a scale's dotted keys are paths, as for --set."""
    named = root.get("scales")
    known = named.value if named and isinstance(named.value, dict) else {}
    if scale in (None, BASE):
        return root
    if scale not in known:
        raise UserError(
            f"--scale {scale}: {root.place.rpartition(':')[0]} has no such scale{nearest(scale or '', [BASE, *known])}"
        )
    over: Node = known[scale]
    if not isinstance(over.value, dict):
        raise UserError(f"{over.place}: scales.{scale}: a mapping (key: value) is needed, not {describe(over.plain())}")
    dotted = [key for key in over.value if "." in key]
    merged = yamlfile.merge(root, over.without(*dotted))
    for key in dotted:
        child = over.value[key]
        merged = sweep.assign(merged, key, Node(child.value, over.keys[key], child.keys))
    return merged


def _with_source(root: Node, spec: str) -> Node:
    section = root.get("data")
    if section is None or not isinstance(section.value, dict):
        return root
    given = section.get("source")
    before = given.plain() if given else DataSpec.model_fields["source"].default
    if str(before).partition(":")[0] != spec.partition(":")[0]:
        section = section.without("options")
    return root.with_entry("data", section, root.keys["data"]).with_path(
        ["data", "source"], Node(spec, f"--data {spec}")
    )


def _override(root: Node, overrides: Sequence[str]) -> Node:
    """Apply every --set, and report all that cannot be applied."""
    faults: list[str] = []
    for text in overrides:
        place = f"--set {text}"
        try:
            key, equals, value = text.partition("=")
            if not equals or not key.strip():
                raise UserError(f"{place}: write it as KEY=VALUE, e.g. users.train=50")
            if key.partition(".")[0] == "scales":
                raise UserError(f"{place}: a scale is put in before --set; set the part itself")
            root = sweep.assign(root, key.strip(), yamlfile.parse(value, place, lines=False))
        except UserError as error:
            faults += error.messages
    if faults:
        raise UserError(*faults)
    return root


def _faults_of_other_scales(root: Node, scale: str | None) -> list[tuple[str, str]]:
    """Return the faults that stand in the lines of scales that were not asked for."""
    section = root.get("scales")
    found: list[tuple[str, str]] = []
    for name, over in (section.value if section and isinstance(section.value, dict) else {}).items():
        if name == scale:
            continue
        try:
            reader = _Reader(_at_scale(root, name))
            reader.protocol(name, ())
            own = _places(over)
            found += [(place, text) for place, text in reader.faults if place in own]
        except UserError as error:
            found += [(place, text) for place, _, text in (line.partition(": ") for line in error.messages)]
    return found


def _places(node: Node) -> set[str]:
    children = (
        node.value.values() if isinstance(node.value, dict) else node.value if isinstance(node.value, list) else ()
    )
    return {node.place, *node.keys.values()}.union(*(_places(child) for child in children))


class _Reader:
    """Turns one document into a Protocol and collects the faults, each as (place, text)."""

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
            return TypeAdapter(kind).validate_python(node.plain())
        except ValidationError as error:
            for fault in error.errors():
                loc = fault["loc"]
                self.fault(node.place_of(loc), f"{'.'.join(map(str, (name, *loc)))}: {_phrase(fault, kind)}")
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
        splits = self.splits(data, swept)
        models = self.models(swept, only)
        parts = {
            "schema_version": SCHEMA,
            "name": self.section(Name, "name"),
            "version": self.section(Annotated[StrictInt, Field(ge=1)], "version"),
            "about": self.section(Text, "about"),
            "metrics": self.section(MetricsSpec, "metrics"),
            "answers": self.section(AnswersSpec, "answers") if self.root.get("answers") else AnswersSpec(),
            "seeds": self.section(Seeds, "seeds") if self.root.get("seeds") else (0,),
            "limits": self.section(LimitsSpec, "limits") if self.root.get("limits") else LimitsSpec(),
        }
        if self.faults or data is None or window is None or users is None:
            return None
        notes = tuple(
            f"{split.label}: training days {split.train.days[0]}-{split.train.days[1]} include dates of the horizon "
            f"{split.window.horizon[0]}-{split.window.horizon[1]} (of training users, never of test users)"
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
            notes=notes,
            **parts,
        )

    def top_level(self) -> None:
        """Note unknown and missing keys, and another schema."""
        known = (*_REQUIRED, *_OPTIONAL)
        for key in self.root.value:
            if key not in known:
                self.fault(self.root.keys[key], f"{key}: unknown key{nearest(key, known)}")
        for key in _REQUIRED:
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

    def splits(self, data: DataSpec | None, swept: dict[str, list[Node]]) -> tuple[SplitSpec, ...]:
        """Return every split, multiplied by the sweeps over users and windows."""
        found: list[SplitSpec] = []
        for i, node in enumerate(self.items("splits")):
            entry: SplitEntry | None = self.part(SplitEntry, node, f"splits.{i}")
            if entry is None:
                continue
            for variant, window, users in sweep.split_variants(self.root, node, swept):
                seen: WindowSpec | None = self.part(WindowSpec, window, "window")
                chosen: UsersSpec | None = self.part(UsersSpec, users, "users")
                if seen and chosen:
                    split = SplitSpec(
                        train=entry.train, test=entry.test, users=chosen, window=seen.window(), variant=variant
                    )
                    self.check_cities(split, node, f"splits.{i}", data)
                    found.append(split)
        return tuple(found)

    def check_cities(self, split: SplitSpec, node: Node, name: str, data: DataSpec | None) -> None:
        """Note cities that are unknown, shares of cities that do not train, and a city with two roles."""
        for path, cities in ((("train", "cities"), split.train.cities), (("test",), split.test)):
            for j, city in enumerate(cities):
                if data and city not in data.cities:
                    text = f"city '{city}' is not among data.cities{nearest(city, data.cities)}"
                    self.fault(node.place_of((*path, j)), f"{name}.{'.'.join(path)}: {text}")
        for city in split.train.shares:
            if city not in split.train.cities:
                hint = nearest(city, split.train.cities)
                self.fault(
                    node.place_of(("train", "shares", city)), f"{name}.train.shares: '{city}' does not train here{hint}"
                )
        both = sorted(set(split.train.cities) & set(split.test))
        if split.users.roles == "city" and both:
            self.fault(
                node.place_of(("test",)),
                f"{name}.test: {', '.join(both)} trains and is tested; with users.roles: city a city does one of both",
            )
        for role in (split.users.train, split.users.validate_, split.users.test):
            for city in role.uids:
                if city and data and city not in data.cities:
                    hint = nearest(city, data.cities)
                    self.fault(
                        self.root.place_of(("users",)),
                        f"users: uids of city '{city}', which is not in data.cities{hint}",
                    )

    def models(self, swept: dict[str, list[Node]], only: Sequence[str]) -> tuple[ModelSpec, ...]:
        """Return every model, multiplied by the sweeps over its settings, with names that differ."""
        found: list[ModelSpec] = []
        known: set[str] = set()
        for i, node in enumerate(sweep.as_mapping(entry) for entry in self.items("models")):
            entry: ModelEntry | None = self.part(ModelEntry, node, f"models.{i}")
            if entry is None:
                continue
            base = entry.name or entry.use
            for name, settings in sweep.model_variants(self.root, i, base, swept):
                if name in {model.name for model in found}:
                    self.fault(node.place, f"models.{i}: a model named '{name}' stands above; give one another name")
                known |= {name, base, entry.use}
                if not only or {name, base, entry.use} & set(only):
                    self.check_settings(entry.use, base, settings)
                    found.append(ModelSpec(use=entry.use, name=name, settings=settings.plain()))
        for name in only:
            if known and name not in known:
                self.fault(f"--only {name}", f"the protocol has no such model{nearest(name, known)}")
        return tuple(found)

    def check_settings(self, use: str, name: str, settings: Node) -> None:
        """Note every wrong setting of a model."""
        try:
            adapter = registry.get(use)
        except UserError as error:
            self.fault(settings.place, f"models.{name}: {error}")
            return
        self.part(adapter.Settings, settings, f"models.{name}")


def _phrase(fault: Any, kind: Any) -> str:
    """Say in words what pydantic found."""
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
