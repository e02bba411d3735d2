"""Chat layouts by family: the marks around the messages that a model reads, and the one that ends its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

BEGIN, HEADER, HEADER_END, TURN_END = "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"


@dataclass(frozen=True)
class Chat:
    """A family's layout.

    marks: tokens that its tokenizers have; begin: of the text; end: of a turn; turn: what is written around a text of
    the system or the user, with {text}; where ``system`` is empty, the system's text leads the user's. answer: what
    stands before the model's own words.
    """

    name: str
    marks: tuple[str, ...]
    begin: str
    end: str
    system: str
    user: str
    answer: str

    def opening(self, system: str, question: str) -> str:
        """Return all that a model reads: the text's begin, two messages, and the header of its answer."""
        if not self.system:
            return f"{self.begin}{self.user.format(text=f'{system}{chr(10) * 2}{question}')}{self.answer}"
        return f"{self.begin}{self.system.format(text=system)}{self.user.format(text=question)}{self.answer}"


def _header(role: str) -> str:
    return f"{HEADER}{role}{HEADER_END}\n\n"


LLAMA_3 = Chat(
    name="Llama 3's",
    marks=(BEGIN, HEADER, HEADER_END, TURN_END),
    begin=BEGIN,
    end=TURN_END,
    system=f"{_header('system')}{{text}}{TURN_END}",
    user=f"{_header('user')}{{text}}{TURN_END}",
    answer=_header("assistant"),
)
CHATML = Chat(  # SmolLM2, Qwen 2.5 and 3
    name="ChatML",
    marks=("<|im_start|>", "<|im_end|>"),
    begin="",
    end="<|im_end|>",
    system="<|im_start|>system\n{text}<|im_end|>\n",
    user="<|im_start|>user\n{text}<|im_end|>\n",
    answer="<|im_start|>assistant\n",
)
GEMMA = Chat(
    name="Gemma's",
    marks=("<bos>", "<start_of_turn>", "<end_of_turn>"),
    begin="<bos>",
    end="<end_of_turn>",
    system="",
    user="<start_of_turn>user\n{text}<end_of_turn>\n",
    answer="<start_of_turn>model\n",
)
MISTRAL = Chat(
    name="Mistral's",
    marks=("<s>", "[INST]", "[/INST]", "</s>"),
    begin="<s>",
    end="</s>",
    system="",
    user="[INST] {text}[/INST]",
    answer="",
)
ALL = (LLAMA_3, CHATML, GEMMA, MISTRAL)
MARKS = tuple(dict.fromkeys(mark for chat in ALL for mark in chat.marks))


def chat_of(has: Callable[[str], bool]) -> Chat | None:
    """Return the first layout whose marks are all tokens; ``has`` says whether a text is one."""
    return next((chat for chat in ALL if all(map(has, chat.marks))), None)
