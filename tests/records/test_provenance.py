"""What records say of the code: the commit of this project, and of no other."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from baselines.statistics.slot_mode import SlotMode
from bench.records import provenance


def test_a_copy_installed_in_somebody_elses_repository_has_no_commit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-C", str(tmp_path)]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    provenance._git_state.cache_clear()
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.provenance(provenance.source_hash(SlotMode)).commit, "a checkout has one"
    provenance._git_state.cache_clear()
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(provenance, "ROOT", tmp_path / "lib")
    assert provenance.provenance(provenance.source_hash(SlotMode)).commit is None
    provenance._git_state.cache_clear()
