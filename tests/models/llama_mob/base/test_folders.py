"""The hub and its cache: repositories and snapshots are understood; a base is named with the commit that is used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
import weights_folders as made
from huggingface_hub import constants

from bench.adapters.adapter import Context
from bench.errors import UserError
from models.llama_mob import LlamaMob
from models.llama_mob.base import base, folders, preflight
from models.llama_mob.settings import TINY, LlamaMobSettings
from models.llama_mob.tuning import lora

OTHER = "f" * 40


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.base(tmp_path_factory.mktemp("bases") / "Small")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, which is out of reach."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folders._fetched.cache_clear()
    return tmp_path / "hub"


def load(named: Path | str, **settings: Any) -> base.Loaded:
    return base.load(LlamaMobSettings(base=str(named), **{"tuning": "none", **settings}), Context())


def recorded(named: Path | str) -> str:
    return str(LlamaMobSettings(base=str(named)).recorded()["base"])


def test_the_caches_layout_is_understood(hub: Path, small: Path) -> None:
    snapshot = made.cached(hub, small)
    tuned = made.lora(small, hub / "lora")
    for named in (snapshot, snapshot.parents[1], "acme/Small"):
        assert load(named, lora=tuned).facts["parameters"] == load(small).facts["parameters"]
    of_snapshot = made.edit(
        tuned, "adapter_config.json", base_model_name_or_path=f"/elsewhere/{snapshot.relative_to(hub)}"
    )
    assert load(small, lora=of_snapshot).model
    assert recorded(snapshot) == recorded(snapshot.parents[1]) == recorded(small)


def test_a_lora_in_the_cache_is_found_by_its_repository(hub: Path, small: Path) -> None:
    snapshot = made.cached(hub, made.lora(small, hub / "lora"), name="models--acme--tuned")
    given = {"base": str(small), "lora": snapshot.parents[1]}
    assert load(**{"named": small, "lora": snapshot.parents[1]}).model
    assert (
        LlamaMobSettings(**given).recorded()["lora"]
        == LlamaMobSettings(**given | {"lora": snapshot}).recorded()["lora"]
    )


def test_of_several_snapshots_main_decides(hub: Path, small: Path) -> None:
    made.cached(hub, small, commit=OTHER)
    snapshot = made.cached(hub, small)
    assert folders.located(snapshot.parents[1]) == snapshot
    (snapshot.parents[1] / "refs" / "main").unlink()
    with pytest.raises(UserError, match="has 2 snapshots, of which refs/main names none"):
        folders.located(snapshot.parents[1])


def test_a_snapshot_that_moved_is_another_base(hub: Path, small: Path) -> None:
    made.cached(hub, small)
    assert recorded("acme/Small") == f"acme/Small@{made.COMMIT}"
    planned = LlamaMob(LlamaMobSettings(base="acme/Small", tuning="none"))
    other = made.cached(hub, made.base(hub / "other", seed=1), commit=OTHER)
    assert recorded("acme/Small") == f"acme/Small@{OTHER}"
    assert recorded(f"acme/Small@{made.COMMIT}") == f"acme/Small@{made.COMMIT}"
    assert planned.settings.recorded()["base"] == f"acme/Small@{made.COMMIT}", "what was planned stays"
    for named, folder in ((planned.settings.base, small), ("acme/Small", other)):
        head = load(named).model.get_output_embeddings().weight
        assert torch.equal(head, load(folder).model.get_output_embeddings().weight)


def test_weights_are_of_the_commit_that_the_config_is_of(
    hub: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = made.cached(hub, small)
    for name in ("tokenizer.json", made.WEIGHTS):  # a config alone is no base
        (snapshot / name).unlink()
    asked: list[tuple[str | None, bool]] = []

    def give(_name: str, *, revision: str | None, local_files_only: bool, allow_patterns: list[str], **_: Any) -> str:
        weights = "*.safetensors" in allow_patterns
        if not local_files_only:
            asked.append((revision, weights))
            name = made.WEIGHTS if weights else "tokenizer.json"
            shutil.copy(small / name, snapshot / name)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", give)
    load("acme/Small")
    assert asked == [(None, False), (made.COMMIT, True)]
    asked.clear()
    load("acme/Small")
    assert not asked, "all of it is in the cache"


def test_weights_are_downloaded_only_where_they_fit(hub: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = made.cached(hub, small)
    (snapshot / made.WEIGHTS).unlink()
    monkeypatch.setattr(preflight, "free_bytes", lambda _device: 1000)
    with pytest.raises(preflight.Lacking, match="are free"):
        load("acme/Small")


def test_the_hub_out_of_reach_is_one_line_and_is_asked_once(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    def refuse(_name: str, *, local_files_only: bool, **_named: object) -> str:
        asked.append(local_files_only)
        raise ConnectionError("cannot reach\nthe hub")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    for _ in range(2):
        with pytest.raises(UserError, match=r"base some/model: .* \(cannot reach\)") as caught:
            load("some/model")
        assert "\n" not in caught.value.messages[0]
    assert asked.count(False) == 1


def test_names_of_bases(hub: Path, small: Path) -> None:
    assert folders.names("tiny", TINY) == {"tiny"}
    assert folders.small_files("tiny") == TINY
    snapshot = made.cached(hub, small)
    assert folders.names(f"acme/Small@{made.COMMIT}", snapshot) == {"acme/Small"}
    assert folders.names(str(snapshot), snapshot) == {str(snapshot), "acme/Small"}
    assert folders.hub_id("models--gpt2") == "gpt2"
    assert folders.hub_id("acme/Small") is None


@pytest.mark.parametrize("part", ["", "snapshots/" + made.COMMIT])
def test_a_lora_of_our_own_names_the_repository_of_its_base(part: str, hub: Path, small: Path, tmp_path: Path) -> None:
    repository = made.cached(hub, small).parents[1]
    lora.save({}, LlamaMobSettings(base=str(repository / part)), tmp_path)
    assert json.loads((tmp_path / lora.CONFIG).read_text())["base_model_name_or_path"] == "acme/Small"
