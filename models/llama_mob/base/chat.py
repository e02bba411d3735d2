"""Whether the layout of the prompts is the one that a base's own chat template writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.llama_mob.base.layouts import Chat

_SYSTEM, _USER = "Predict.", "1 2 3 4"


def described(folder: Path | None, chat: Chat) -> str:
    """Say for the record which layout prompts have, and whether the template in a base's folder writes it.

    The template is rendered with a short conversation, in the sandbox of transformers.
    """
    template = None if folder is None else _template(folder)
    if template is None:
        return f"{chat.name}; the base names none"
    same = _rendered(template, chat) == chat.opening(_SYSTEM, _USER).removeprefix(chat.begin)
    return f"{chat.name}, the base's own" if same else f"{chat.name}, not the base's own"


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


def _rendered(template: str, chat: Chat) -> str | None:
    """Return a conversation up to where the answer begins, without the text's begin; None where that fails."""
    from transformers.utils.chat_template_utils import render_jinja_template

    asked = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _USER}]
    try:
        rendered: Any = render_jinja_template(
            [asked], chat_template=template, add_generation_prompt=True, bos_token=chat.begin, eos_token=chat.end
        )
    except Exception:  # whatever somebody's template raises, it does not write this layout
        return None
    return str(rendered[0][0]).removeprefix(chat.begin)
