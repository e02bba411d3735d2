"""A fit whose process is killed goes on in another one, to the same weights."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_llama import small_base

from models.llama_mob.tuning import checkpoint

FIT = """
import sys
from pathlib import Path
from bench.adapters.small_world import SmallWorld
from bench.data.world import Window
from models.llama_mob import LlamaMob, LlamaMobSettings
from models.llama_mob.tuning import loop
import torch
torch.set_num_threads(1)
loop.SAVE_EVERY = 0.0
base, scratch, out = map(Path, sys.argv[1:])
world = SmallWorld.make(window=Window(history=(0, 2), horizon=(3, 3)), testers=4, trainers=4)
model = LlamaMob(LlamaMobSettings(base=str(base), rank=4, batch=1, epochs=6, learning_rate=1e-2, dropout=0.1))
model.fit(world.split.train, world.split.validate, world.context(folder=scratch))
out.mkdir()
model.save(out)
"""


@pytest.mark.slow
def test_a_fit_killed_twice_ends_with_the_same_weights(tmp_path: Path) -> None:
    base = small_base(tmp_path / "base")

    def begin(name: str) -> subprocess.Popen[bytes]:
        given = [str(base), str(tmp_path / f"{name} scratch"), str(tmp_path / name)]
        return subprocess.Popen([sys.executable, "-c", FIT, *given], env={"PYTHONPATH": os.pathsep.join(sys.path)})

    assert begin("whole").wait(300) == 0
    for steps in (3, 11):
        running = begin("killed")
        while checkpoint.counts(tmp_path / "killed scratch").get("step", 0) < steps:
            assert running.poll() is None, "it ended before it was killed"
            time.sleep(0.002)
        running.kill()
        running.wait()
    assert not (tmp_path / "killed").exists()
    assert begin("killed").wait(300) == 0
    whole, again = (load_file(tmp_path / name / "adapter_model.safetensors") for name in ("whole", "killed"))
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    notes = [(tmp_path / name / "llama_mob.json").read_text(encoding="utf-8") for name in ("whole", "killed")]
    assert notes[0] == notes[1]
