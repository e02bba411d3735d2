"""Where a base lies: the project's tiny one, a folder, or a repository of the Hugging Face hub."""

from __future__ import annotations

import re
from pathlib import Path

from bench.errors import UserError
from models.llama_mob.settings import TINY

SMALL = ("*.json", "tokenizer.model")  # all but the weights
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def small_files(base: str) -> Path:
    """Return the folder with a base's config and tokenizer; weights may be missing yet. Raises UserError."""
    if base == "tiny":
        return TINY
    return _from_hub(base, SMALL) if on_hub(base) else Path(base)


def with_weights(base: str) -> Path:
    """Return the folder with all of a base, downloaded where it is a hub id. Raises UserError."""
    return _from_hub(base, (*SMALL, "*.safetensors")) if on_hub(base) else small_files(base)


def on_hub(base: str) -> bool:
    """Return whether a base is named as the hub names repositories (OWNER/NAME) and no folder is."""
    return bool(_HUB_ID.fullmatch(base)) and not Path(base).exists()


def names(base: str, folder: Path | None) -> set[str]:
    """Return what a base may be called: as it was given, and as its folder is."""
    return {base} if folder is None or base == "tiny" or on_hub(base) else {base, folder.resolve().name}


def _from_hub(base: str, patterns: tuple[str, ...]) -> Path:
    """Download files of a repository, or find them where they were downloaded before."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise UserError(f"base {base}: the hub needs a package: pip install huggingface_hub") from None
    try:  # the folder "original" of some repositories holds the weights once more, pickled
        return Path(snapshot_download(base, allow_patterns=list(patterns), ignore_patterns="original/*"))
    except Exception as error:  # the library passes on those of its network client
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"base {base}: no such folder here, and the hub did not give it ({first}); download it and name its folder"
        ) from None
