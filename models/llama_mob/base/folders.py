"""Where a base lies: the tiny one, SmolLM2 as pip brings it, a folder, a GGUF file, or the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from bench.errors import UserError
from models.llama_mob.base import checkpoint, gguf_file
from models.llama_mob.base.tokens import TOKENIZERS
from models.llama_mob.settings import SMOLLM2, TINY, is_gguf, on_hub

SMALL = ("*.json", "*.jinja", "tokenizer.model")  # all but the weights
_CACHED = re.compile(r"(?:^|[\\/])models--(?P<id>[^\\/]+)(?:[\\/]snapshots[\\/][^\\/]+)?[\\/]*$")


class Unreachable(UserError):
    """The hub did not give a repository."""


def small_files(base: str) -> Path:
    """Return the folder with a base's config and tokenizer; weights may be missing yet. Raises UserError."""
    if base == "tiny":
        return TINY
    if base == SMOLLM2 or is_gguf(base):
        return gguf_file.folder_of(gguf_of(base))
    return _snapshot(base) if on_hub(base) else located(Path(base))


def gguf_of(base: str) -> Path:
    """Return the GGUF file of a base that is one. Raises Unreachable where its package is not installed."""
    path = gguf_file.smollm2() if base == SMOLLM2 else Path(base)
    if path is None:
        raise Unreachable(f"base {base}: its weights are not here: {gguf_file.GET_SMOLLM2}")
    return path


def prepare(base: str) -> None:
    """Convert a base that is a GGUF file, unless it was before or its package is not here."""
    with suppress(Unreachable):
        gguf_file.folder_of(gguf_of(base))


def named_by_content(base: str) -> str:
    """Return what a base that is a GGUF file is called in records: by what it holds, and by how it is converted."""
    try:
        digest = gguf_file.digest(gguf_of(base))
    except Unreachable:  # nothing is asked of it then
        return base
    except OSError as error:
        raise UserError(f"base {base}: cannot be read ({error.strerror or error})") from None
    kind = base if base == SMOLLM2 else "gguf"
    return f"{kind} sha256:{digest[:16]}, conversion {gguf_file.VERSION}"


def with_weights(base: str) -> Path:
    """Return the folder with all of a base, downloaded where it is a hub id. Raises UserError.

    The weights are of the commit that config and tokenizer are of, whatever the hub has by now.
    """
    folder = small_files(base)
    if not on_hub(base) or _has_weights(folder):
        return folder
    return _from_hub(base, (*SMALL, "*.safetensors"), revision=folder.name)


def located(folder: Path) -> Path:
    """Return a folder or, of a repository in the hub's cache (models--OWNER--NAME), its snapshot. Raises UserError."""
    snapshots = folder / "snapshots"
    if not folder.name.startswith("models--") or not snapshots.is_dir():
        return folder
    found = sorted(path for path in snapshots.iterdir() if path.is_dir())
    main = folder / "refs" / "main"
    commit = main.read_text(encoding="utf-8").strip() if main.is_file() else None
    chosen = [path for path in found if path.name == commit] or found
    if len(chosen) != 1:
        raise UserError(f"{folder}: has {len(found)} snapshots, of which refs/main names none; name one of the folders")
    return chosen[0]


def hub_id(path: str) -> str | None:
    """Return OWNER/NAME of a path into the hub's cache, to a repository or one of its snapshots; None of others."""
    match = _CACHED.search(path)
    return match["id"].replace("--", "/") if match else None


def names(base: str, folder: Path | None) -> set[str]:
    """Return what a base may be called: as it was given, and as its folder is."""
    if on_hub(base):
        return {repository(base)}
    if base == SMOLLM2:
        return {base, "HuggingFaceTB/SmolLM2-135M-Instruct"}
    if folder is None or base == "tiny":
        return {base}
    path = folder.absolute()
    return {base, hub_id(str(path)) or path.resolve().name}


def repository(base: str) -> str:
    """Return a hub id without a commit."""
    return base.partition("@")[0]


def pinned(base: str) -> str:
    """Return a hub id with the commit that is used, downloading its small files; as given if that fails."""
    try:
        return f"{repository(base)}@{_snapshot(base).name}"
    except Unreachable:
        return base


def is_cached(base: str) -> bool:
    """Return whether config and tokenizer of a hub id are in the hub's cache."""
    return _cached(base) is not None


def _snapshot(base: str) -> Path:
    """Return the snapshot of a hub id that the cache names; only where there is none the hub is asked."""
    found = _cached(base) or _fetched(base)
    if isinstance(found, Unreachable):
        raise found
    return found


def _cached(base: str) -> Path | None:
    """Return the snapshot in the cache if it holds config and tokenizer."""
    try:
        path = _from_hub(base, SMALL, local_files_only=True)
    except Unreachable:
        return None
    whole = (path / "config.json").is_file() and any((path / name).is_file() for name in TOKENIZERS)
    return path if whole else None


@lru_cache(maxsize=16)
def _fetched(base: str) -> Path | Unreachable:
    """Download the small files; a hub that is out of reach is asked once a process, as it takes half a minute."""
    try:
        return _from_hub(base, SMALL)
    except Unreachable as error:
        return error


def _has_weights(folder: Path) -> bool:
    try:
        return bool(checkpoint.files(folder))
    except UserError:
        return False


def _from_hub(
    base: str, patterns: Sequence[str], *, revision: str | None = None, local_files_only: bool = False
) -> Path:
    """Download files of a repository, or find them where they were downloaded before."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise Unreachable(f"base {base}: the hub needs a package: pip install huggingface_hub") from None
    name, _at, said = base.partition("@")
    try:  # the folder "original" of some repositories holds the weights once more, pickled
        path = snapshot_download(
            name,
            revision=revision or said or None,
            allow_patterns=list(patterns),
            ignore_patterns="original/*",
            local_files_only=local_files_only,
        )
    except Exception as error:  # the library passes on those of its network client
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise Unreachable(
            f"base {base}: no such folder here, and the hub did not give it ({first}); download it and name its folder"
        ) from None
    return Path(path)
