"""What a wheel holds: every file that a command needs outside a checkout; protocols found by name."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import grimp
import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement

from bench import shipped
from bench.adapters import registry
from bench.errors import UserError
from bench.running.hardware import lacking

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this checkout."""
    (path,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")))
    return zipfile.ZipFile(path)


def files_of(folder: str) -> set[str]:
    """Every file below a folder of the checkout, without what Python leaves there."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    wanted = files_of("bench") | files_of("baselines") | files_of("models")
    assert {"bench/data/real_cities.json", "models/llama_mob/tiny/model.safetensors"} <= wanted
    assert wanted <= set(wheel.namelist())


def test_the_wheel_holds_protocols_and_published_numbers(wheel: zipfile.ZipFile) -> None:
    wanted = {f"bench/_shipped/{name}" for name in files_of("protocols") | {"results/published.yaml"}}
    assert len(wanted) > 10
    assert {name for name in wheel.namelist() if name.startswith("bench/_shipped/")} == wanted


def test_files_come_from_the_wheel_where_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shipped, "PACKAGE", tmp_path / "bench")
    assert shipped.shipped("protocols") == tmp_path / "protocols"
    (tmp_path / "bench" / "_shipped" / "protocols" / "studies").mkdir(parents=True)
    (tmp_path / "bench" / "_shipped" / "protocols" / "studies" / "one.yaml").touch()
    assert list(shipped.protocols()) == ["one"]


def test_no_two_protocols_share_a_name() -> None:
    assert len(shipped.protocols()) == len(files_of("protocols"))


def test_a_protocol_is_found_by_its_name_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shipped.find_protocol(Path("zero_shot")) == ROOT / "protocols" / "zero_shot.yaml"
    assert shipped.find_protocol(Path("data_mix")) == ROOT / "protocols" / "studies" / "data_mix.yaml"
    Path("zero_shot").write_text("a: 1")
    assert shipped.find_protocol(Path("zero_shot")) == Path("zero_shot"), "a file comes first"


@pytest.mark.parametrize(
    ("given", "beside", "hint"),
    [
        ("zeroshot", (), "did you mean 'zero_shot'"),
        ("protocols/zero_shot.yaml", (), "did you mean 'zero_shot'"),
        ("mine.yml", ("mine.yaml",), "did you mean 'mine.yaml'"),
    ],
)
def test_a_missing_protocol_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str, beside: tuple[str, ...], hint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in beside:
        Path(name).touch()
    with pytest.raises(UserError, match=hint):
        shipped.find_protocol(Path(given))


def extras() -> dict[str, set[str]]:
    """The packages that each extra names, other extras followed."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    def packages(extra: str) -> set[str]:
        found: set[str] = set()
        for text in listed[extra]:
            requirement = Requirement(text)
            inner = [packages(name) for name in requirement.extras] if requirement.name == "mobility-bench" else []
            found |= set().union(*inner) if inner else {requirement.name}
        return found

    return {extra: packages(extra) for extra in listed}


def test_what_a_model_needs_is_in_the_core_or_in_the_extra_that_it_names() -> None:
    core = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    installed = {Requirement(text).name for text in core} | {"sklearn", "threadpoolctl"}  # both come with scikit-learn
    for name in registry.names():
        needs = registry.get(name).needs
        extra = needs.install.removeprefix("mobility-bench[").removesuffix("]")
        assert set(needs.packages) <= (extras()[extra] if extra else installed), name


def test_a_model_names_every_extra_package_that_it_imports() -> None:
    graph = grimp.build_graph("bench", "baselines", "models", include_external_packages=True, cache_dir=None)
    optional = extras()["all"]
    for name, target in registry.names().items():
        if name == "llm_api":  # imports llama_mob's prompts, which need none of its packages: the test below
            continue
        used = graph.find_upstream_modules(target) & optional
        assert used <= set(registry.get(name).needs.packages), name
        assert used or "[" not in registry.get(name).needs.install


def test_a_model_behind_a_server_needs_no_network_library() -> None:
    blocked = "torch, transformers, safetensors, tokenizers, gguf, peft"
    code = f"import sys; sys.modules.update(dict.fromkeys('{blocked}'.split(', '))); "
    code += "import models.llm_api, models.llm_api.prompts, models.llama_mob.prompts.template"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr


def test_all_holds_every_model_study_and_figure() -> None:
    found, parts = extras(), ("lp-bert", "llm", "api", "study", "figures", "points")
    assert found["all"] == set().union(*(found[part] for part in parts))
    assert found["all"] < found["dev"]


def test_a_missing_extra_is_named_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    reasons = {name: lacking(registry.make(name).needs, "cpu") for name in ("lp_bert", "llama_mob", "slot_mode")}
    assert str(reasons["lp_bert"]).endswith("pip install 'mobility-bench[lp-bert]'")
    assert str(reasons["llama_mob"]).endswith("pip install 'mobility-bench[llm]'")
    assert reasons["slot_mode"] is None
