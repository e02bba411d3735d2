"""Whatever stands in the files of a base or a LoRA: they are accepted, or refused as something the user can mend."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import weights_folders as made
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import UserError
from models.llama_mob.base import checkpoint, published_lora
from models.llama_mob.base.preflight import preflight
from models.llama_mob.settings import LlamaMobSettings

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ROPE = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("factor", "rope_theta", "original_max_position_embeddings"), ANY)
    | {name: st.sampled_from(["linear", "default", "llama3", "dynamic"]) | ANY for name in ("type", "rope_type")},
)
CONFIG = st.sampled_from(
    [
        "model_type",
        "vocab_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "max_position_embeddings",
        "rope_theta",
        "quantization_config",
        "eos_token_id",
        "attention_bias",
    ]
)
LORA_CONFIG = st.sampled_from([*published_lora.LoraSettings.model_fields])
QUICK = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.base(tmp_path_factory.mktemp("bases") / "Small")


@pytest.fixture(scope="module")
def lora(small: Path) -> Path:
    return made.lora(small, small.with_name("lora"))


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "Small"))


def look(folder: Path, **more: Any) -> None:
    """Look a base through as every case does before it is loaded."""
    with contextlib.suppress(UserError):
        found = preflight(LlamaMobSettings(base=str(folder), tuning="none", **more), "cpu")
        checkpoint.end_marks(folder, found.config)


@QUICK
@given(key=CONFIG, value=ANY)
def test_any_config(small: Path, copy: Path, key: str, value: Any) -> None:
    shutil.copy(small / "config.json", copy / "config.json")
    look(made.edit(copy, **{key: value}))


@QUICK
@given(rope=ROPE, factor=st.none() | st.just(2.0))
def test_any_positions(small: Path, copy: Path, rope: dict[str, Any], factor: float | None) -> None:
    shutil.copy(small / "config.json", copy / "config.json")
    look(made.edit(copy, rope_scaling=rope), rope_scaling=factor)


@QUICK
@given(content=ANY)
def test_any_index(copy: Path, content: Any) -> None:
    (copy / made.WEIGHTS).unlink(missing_ok=True)
    (copy / checkpoint.INDEX).write_text(json.dumps({"weight_map": content}))
    look(copy)


@QUICK
@given(key=LORA_CONFIG, value=ANY)
def test_any_config_of_a_lora(small: Path, lora: Path, tmp_path: Path, key: str, value: Any) -> None:
    copy = Path(shutil.copytree(lora, tmp_path / "lora", dirs_exist_ok=True))
    look(small, lora=made.edit(copy, "adapter_config.json", **{key: value}))


ENTRY = st.fixed_dictionaries({}, optional={"dtype": ANY, "shape": ANY, "data_offsets": ANY})


@QUICK
@given(header=ANY | st.dictionaries(st.text(max_size=5), ENTRY))
def test_any_header(tmp_path: Path, header: Any) -> None:
    text = json.dumps(header).encode()
    (tmp_path / "x.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    with contextlib.suppress(UserError):
        checkpoint.read_header(tmp_path / "x.safetensors")
