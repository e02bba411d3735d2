"""The parts for a GPU, rehearsed: commands that end, fail or are stopped; what they leave is whole and gathered."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from safetensors.numpy import save_file

from bench.protocol.reading import load
from bench.training import checkpoint
from models.llama_mob.tools import gathering, gpu, rehearsal, timed
from models.llama_mob.tools.timed import Step

QUICK = ["--rehearse", "--minutes", "15"]


def test_commands_end_fail_or_are_stopped(tmp_path: Path) -> None:
    slow = ("timeit", "-n", "1", "-r", "1", "import time; time.sleep(60)")
    steps = [Step("well", ("this",)), Step("badly", ("no.such.module",)), Step("slowly", slow)]
    well, badly, slowly = timed.run(steps, time.monotonic() + 3, tmp_path)
    assert (well.code, well.ended) == (0, "done")
    assert badly.failed
    assert "No module named" in badly.ended
    assert slowly.code is None
    assert not slowly.failed
    assert slowly.seconds < 30
    assert (tmp_path / "logs" / "slowly.log").read_text().startswith("$ python -m timeit -n 1 -r 1 'import time;")


def test_an_end_from_outside_stops_what_is_under_way(tmp_path: Path) -> None:
    """Else a command would hold the GPU on after its machine's time was over."""
    script = f"""
import pathlib, time
from models.llama_mob.tools import gpu, timed
slow = timed.Step("slowly", ("timeit", "-n", "1", "-r", "1", "import time; time.sleep(60)"))
gpu.part = lambda _number, given: timed.run([slow], time.monotonic() + 60, given.to)
gpu.main(["--rehearse", "--to", {str(tmp_path)!r}])
"""
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE)
    wait_until(lambda: (tmp_path / "logs" / "slowly.log").is_file() and psutil.Process(process.pid).children())
    (child,) = psutil.Process(process.pid).children()
    process.terminate()
    _out, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said.endswith(b"interrupted: what was done is kept; the same command goes on\n")
    assert not child.is_running()


def wait_until(there: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not there():
        assert time.monotonic() < ends, "it did not happen within a minute"
        time.sleep(0.05)


def fit(to: Path, run: str, model: str, fit_id: str, size: int) -> None:
    folder = to / "runs" / "store" / "fits" / fit_id
    folder.mkdir(parents=True, exist_ok=True)
    save_file({"a": np.zeros(size, np.float32)}, folder / "weights.safetensors")
    (to / "runs" / run / "records").mkdir(parents=True, exist_ok=True)
    record = {"identity": {"fit": fit_id}, "case": {"model": model}}
    (to / "runs" / run / "records" / f"{fit_id}-{run}.json").write_text(json.dumps(record))


def test_small_weights_are_copied_once_under_their_models_names(tmp_path: Path) -> None:
    fit(tmp_path, "a", "random weights, rate 1e-3", "0" * 20, 10)
    fit(tmp_path, "b", "the same fit", "0" * 20, 10)
    fit(tmp_path, "b", "../all weights", "1" * 20, 300_000)
    gathering.gather(1, [], tmp_path, 1.0)
    assert [file.name for file in (tmp_path / "weights").iterdir()] == ["random-weights-rate-1e-3.00000000.safetensors"]
    text = (tmp_path / "part-1.md").read_text()
    assert "1.2 MB" in text
    assert "`runs/store/fits/11111111111111111111/weights.safetensors`, too large to copy" in text
    with tarfile.open(tmp_path / "part-1.tar.gz") as archive:
        assert f"{tmp_path.name}/part-1.md" in archive.getnames()


def test_what_smollm2_learns_from_is_as_asked_and_the_cities_are_large_enough() -> None:
    given = gpu.options(["--part", "1", "--tokens", "32"])
    fits: dict[str, set[str]] = {}
    for step in gpu.language_models(given):
        _module, _run, name, *rest = step.arguments
        sets = [rest[i + 1] for i, part in enumerate(rest) if part == "--set"]
        protocol = load(name, scale="gpu", overrides=sets)
        tuned = [m for m in protocol.models if m.use == "llama_mob" and m.settings.get("tuning") != "none"]
        fits[name] = {json.dumps(m.settings, sort_keys=True) for m in tuned}
        assert {m.settings["base"] for m in tuned} == {"smollm2"}
        people = {m.settings["trajectories"] for m in tuned} | {protocol.users.train.n}
        assert len(people) == 1
        assert people.pop() * gpu.FITS * gpu.TOKENS_A_PERSON == pytest.approx(32e6, rel=0.01)
        assert protocol.data.options["users"] * gpu.TRAINABLE > protocol.users.train.n
    assert len(fits["pretraining_control"] | fits["lora_rank"]) == gpu.FITS


def test_what_the_machine_lacks_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("models.llama_mob.base.gguf_file.smollm2", lambda: None)
    with pytest.raises(SystemExit) as ended:
        gpu.main(["--part", "1", "--minutes", "1", "--to", str(tmp_path / "to")])
    assert ended.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("error: ") for line in lines)
    assert not (tmp_path / "to").exists()
    monkeypatch.setattr(gathering, "_installed", lambda name: name not in ("peft", "gguf"))
    with pytest.raises(SystemExit):
        gpu.main(["--part", "2"])
    assert "not installed: gguf, peft;" in capsys.readouterr().err


def test_a_rehearsed_base_writes_digits(tmp_path: Path) -> None:
    from models.llama_mob.base.tokens import Tokens

    folder = rehearsal.small_base(tmp_path)
    before = (folder / "model.safetensors").read_bytes()
    assert not Tokens.load(folder).single
    assert (rehearsal.small_base(folder) / "model.safetensors").read_bytes() == before


@pytest.mark.slow
def test_both_parts_are_rehearsed(tmp_path: Path) -> None:
    gpu.main([*QUICK, "--to", str(tmp_path)])
    for name in gpu.PROTOCOLS:
        records = [json.loads(file.read_text()) for file in (tmp_path / "tables" / name).glob("records/*.json")]
        assert {record["status"] for record in records} == {"done"}
        assert "| SmolLM2" not in (tmp_path / "tables" / name / "leaderboard.md").read_text()
    assert "two parts, products" in (tmp_path / "tables" / "attention.md").read_text()
    assert "speculative-chain" in (tmp_path / "tables" / "shape.md").read_text()
    assert checkpoint.progress(tmp_path / "lp_bert")["step"] == rehearsal.LP_BERT["steps"]
    assert (tmp_path / "weights" / "lp_bert.safetensors").is_file()
    assert len(list((tmp_path / "weights").glob("*.safetensors"))) == 1 + 5  # two runs share a fit
    for number in (1, 2):
        assert "done" in (tmp_path / f"part-{number}.md").read_text()
        assert (tmp_path / f"part-{number}.tar.gz").is_file()
