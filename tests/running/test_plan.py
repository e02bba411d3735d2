"""Identities: frozen values, and what they depend on."""

from __future__ import annotations

from typing import Any

import pytest

from bench.running.plan import digest, identity

BASE: dict[str, Any] = {
    "adapter": "lp_bert",
    "version": 1,
    "settings": {"epochs": 3, "init": "pretrained"},
    "learns_from": "train users",
    "precision": "float32",
    "seed": 0,
    "window": ((0, 59), (60, 74)),
    "parts": {"train": "a", "validate": "b", "history": "c", "queries": "d"},
    "device": "cpu: a processor",
    "threads": 2,
    "batch_users": 256,
}


def _changed(**changes: Any) -> tuple[bool, bool, bool]:
    """Which of fit, answers and cost a change moves."""
    one, other = identity(**BASE), identity(**{**BASE, **changes})
    return one.fit != other.fit, one.answers != other.answers, one.cost != other.cost


def test_identities_are_frozen() -> None:
    """Whoever changes these values makes every earlier record a stranger: raise the schema version then."""
    found = identity(**BASE)
    assert (found.fit, found.answers, found.cost) == (
        "82115dfda5f65fc12558",
        "752669f6a2dcb024c6d9",
        "2bdeb2717572dd73c298",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"adapter": "other"},
        {"version": 2},
        {"settings": {"epochs": 4}},
        {"precision": "bfloat16"},
        {"seed": 1},
        {"window": ((0, 59), (60, 70))},
        {"parts": {**BASE["parts"], "train": "z"}},
        {"parts": {**BASE["parts"], "validate": "z"}},
    ],
)
def test_what_is_learned_moves_everything(change: dict[str, Any]) -> None:
    assert _changed(**change) == (True, True, True)


def test_test_users_move_the_answers_but_not_the_fit() -> None:
    assert _changed(parts={**BASE["parts"], "history": "z"}) == (False, True, True)
    assert _changed(parts={**BASE["parts"], "queries": "z"}) == (False, True, True)


def test_the_machine_moves_the_cost_alone() -> None:
    for change in ({"device": "cuda: a card"}, {"threads": 1}, {"batch_users": 8}):
        assert _changed(**change) == (False, False, True)


def test_a_model_that_learns_from_nothing_has_one_fit_for_all_training_parts() -> None:
    kinds = {"learns_from": "nothing"}
    one = identity(**{**BASE, **kinds})
    other = identity(**{**BASE, **kinds, "parts": {**BASE["parts"], "train": "z", "validate": "z"}})
    assert one == other


def test_a_model_that_learns_from_histories_has_a_fit_per_set_of_test_users() -> None:
    kinds = {"learns_from": "test histories"}
    one = identity(**{**BASE, **kinds})
    other = identity(**{**BASE, **kinds, "parts": {**BASE["parts"], "history": "z"}})
    assert one.fit != other.fit


def test_settings_that_only_prediction_looks_at_move_the_answers_but_not_the_fit() -> None:
    one = identity(**BASE, predicts_with={"decoding"})
    assert one == identity(**BASE, predicts_with={"decoding", "more"})
    asked = [
        identity(**{**BASE, "settings": {**BASE["settings"], "decoding": mode}}, predicts_with={"decoding"})
        for mode in ("jump_forward", "speculative")
    ]
    assert [found.fit for found in asked] == [identity(**BASE).fit] * 2
    assert asked[0].answers != asked[1].answers
    assert asked[0].cost != asked[1].cost


def test_the_order_of_settings_does_not_matter() -> None:
    assert digest({"a": 1, "b": [1, 2]}) == digest({"b": [1, 2], "a": 1})
