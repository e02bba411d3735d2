"""The chat layout of the prompts, Llama 3's, and whether it is the one that a base's own template writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.llama_mob.base.tokens import BEGIN, HEADER, HEADER_END, TURN_END

_SYSTEM, _USER = "Predict.", "1 2 3 4"


def opening(system: str, question: str) -> str:
    """Return all that a model reads: the text's begin, two messages, and the header of its answer."""
    return f"{BEGIN}{_turn('system', system)}{_turn('user', question)}{_header('assistant')}"


def described(folder: Path | None) -> str:
    """Say for the record whether the template in a base's folder writes the layout that prompts have.

    The template is rendered with a short conversation, in the sandbox of transformers.
    """
    template = None if folder is None else _template(folder)
    if template is None:
        return "Llama 3's; the base names none"
    same = _rendered(template) == opening(_SYSTEM, _USER).removeprefix(BEGIN)
    return "Llama 3's, the base's own" if same else "Llama 3's, not the base's own"


def _turn(role: str, text: str) -> str:
    return f"{_header(role)}{text}{TURN_END}"


def _header(role: str) -> str:
    return f"{HEADER}{role}{HEADER_END}\n\n"


def _template(folder: Path) -> str | None:
    """Return the template where transformers looks for it: in a file of its own, else in the tokenizer's config."""
    try:
        if (folder / "chat_template.jinja").is_file():
            return (folder / "chat_template.jinja").read_text(encoding="utf-8")
        said: Any = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("chat_template")
        if isinstance(said, list):
            said = {entry["name"]: entry["template"] for entry in said}.get("default")
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None
    return said if isinstance(said, str) else None


def _rendered(template: str) -> str | None:
    """Return a conversation up to where the answer begins, without the text's begin; None where that fails."""
    from transformers.utils.chat_template_utils import render_jinja_template

    asked = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}]
    try:
        rendered: Any = render_jinja_template(
            [asked], chat_template=template, add_generation_prompt=True, bos_token=BEGIN, eos_token=TURN_END
        )
    except Exception:  # whatever somebody's template raises, it does not write this layout
        return None
    return str(rendered[0][0]).removeprefix(BEGIN)
