"""Promises about what an adapter says of itself: its class, settings, reasons to skip, facts and usage."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import get_args

import numpy as np
from pydantic import ValidationError

from bench.adapters import registry
from bench.adapters.adapter import LearnsFrom
from bench.adapters.conformance.subject import Broken, Subject, hold
from bench.data.trajectories import Trajectories

HEAVY = ("torch", "sklearn", "numba", "transformers", "altair")


def the_class_is_described(subject: Subject) -> None:
    """Name, version, learns_from and settings follow the contract; every setting has a description."""
    adapter = subject.adapter
    hold(isinstance(adapter.name, str) and adapter.name, f"name is {adapter.name!r}; it must be text")
    version = adapter.version
    hold(isinstance(version, int) and version >= 1, f"version is {version!r}; it must be a whole number from 1")
    learns = subject.new().learns_from
    hold(learns in get_args(LearnsFrom), f"learns_from is {learns!r}; it is one of {', '.join(get_args(LearnsFrom))}")
    hold(adapter.__doc__, "the class has no docstring")
    silent = [name for name, entry in adapter.Settings.model_fields.items() if not entry.description]
    hold(not silent, f"settings without a description: {', '.join(silent)}")
    unknown = adapter.Settings.predicts_with - set(adapter.Settings.model_fields)
    hold(not unknown, f"predicts_with names unknown settings: {', '.join(sorted(unknown))}")
    hold(isinstance(subject.new().seen(), tuple), "seen() does not return a tuple of cities")


def unknown_settings_are_refused(subject: Subject) -> None:
    """A misspelt setting is an error."""
    try:
        subject.adapter.Settings(**{**subject.settings, "no_such_setting": 1})
    except ValidationError:
        return
    raise Broken("Settings accepts a setting that does not exist; derive it from bench.adapters.adapter.Settings")


def settings_can_be_handed_on(subject: Subject) -> None:
    """Settings can be written out in full and read back, as for a worker."""
    settings = subject.new().settings
    again = subject.adapter.Settings(**settings.model_dump(mode="json"))
    hold(again == settings, f"written out and read back, the settings become {again}")


def importing_is_light(subject: Subject) -> None:
    """Importing the module loads no heavy library: import those inside methods."""
    adapter, known = subject.adapter, registry.names()
    target = known.get(adapter.name, f"{adapter.__module__}:{adapter.__qualname__}")
    add = f"registry.add({target!r}); " if ":" in target else ""
    code = f"import sys; from bench.adapters import registry; {add}registry.get({adapter.name!r}); "
    code += f"print('HEAVY', *(set({HEAVY}) & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    hold(run.returncode == 0, f"it cannot be imported in a new process: {' '.join(run.stderr.split()[-12:])}")
    found = run.stdout.splitlines()[-1].split()[1:]
    hold(not found, f"importing it imports {', '.join(found)}; move that into the methods")


def skip_gives_a_reason_or_none(subject: Subject) -> None:
    """skip() handles any split, returns None or a reason of one line, and accepts the split of this suite."""
    split = subject.world.split
    empty = Trajectories.empty(split.train.cities)
    for odd in (replace(split, validate=None), replace(split, train=empty), replace(split, test_city="elsewhere")):
        reason = subject.new().skip(odd)
        hold(reason is None or (reason and "\n" not in reason), f"skip() gave {reason!r}")
    reason = subject.new().skip(split)
    hold(reason is None, f"it skips the split of this suite: {reason}")


def facts_are_scalars(subject: Subject) -> None:
    """facts() holds finite numbers and text, by name."""
    for key, value in subject.fitted.facts().items():
        hold(isinstance(key, str), f"the name of fact {key!r} is not text")
        hold(isinstance(value, (int, float, str)), f"fact {key} is a {type(value).__name__}")
        hold(isinstance(value, str) or np.isfinite(value), f"fact {key} is {value}")


def usage_is_of_the_last_call(subject: Subject) -> None:
    """usage() holds finite numbers by name, for the last call alone, with its number of users."""
    subject.ask(subject.fitted)
    everybody = dict(subject.fitted.usage())
    for key, value in everybody.items():
        hold(isinstance(key, str), f"the name of usage {key!r} is not text")
        hold(np.isfinite(value), f"usage {key} is {value}")
    one = subject.world.split.queries.users[0]
    subject.ask(subject.fitted, one)
    alone = dict(subject.fitted.usage())
    if everybody:
        hold(everybody.get("users", -1) >= alone.get("users", -1) >= 0, "usage() does not count its users")
        counts = ("users", "tokens_read", "tokens_fed", "forward_passes")
        more = [key for key in counts if alone.get(key, 0) > everybody.get(key, 0)]
        hold(not more, f"one user took more {', '.join(more)} than everybody: usage() must count the last call alone")
