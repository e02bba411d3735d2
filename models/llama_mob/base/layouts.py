"""Chat layouts by family: the marks around the messages that a model reads, and the one that ends its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Turn = tuple[str, str]  # a question and its answer

BEGIN, HEADER, HEADER_END, TURN_END = "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"


@dataclass(frozen=True)
class Chat:
    """A family's layout.

    marks: tokens that its tokenizers have; begin: of the text; end: of a turn; turn: what is written around a text of
    the system or the user, with {text}; where ``system`` is empty, the system's text leads the first user's. answer:
    what stands before the model's own words; between: after the end of an answer, before the next turn.
    """

    name: str
    marks: tuple[str, ...]
    begin: str
    end: str
    system: str
    user: str
    answer: str
    between: str = ""

    def opening(self, system: str, question: str, told: Sequence[Turn] = ()) -> str:
        """Return all that a model reads, up to the header of its answer; told: turns before the question."""
        said = [*(asked for asked, _answer in told), question]
        before = self.system.format(text=system) if self.system else ""
        if not self.system:
            said[0] = f"{system}\n\n{said[0]}"
        answers = [*(f"{answer}{self.end}{self.between}" for _asked, answer in told), ""]
        turns = zip(said, answers, strict=True)
        return self.begin + before + "".join(f"{self.user.format(text=text)}{self.answer}{own}" for text, own in turns)


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
    between="\n",
)
GEMMA = Chat(
    name="Gemma's",
    marks=("<bos>", "<start_of_turn>", "<end_of_turn>"),
    begin="<bos>",
    end="<end_of_turn>",
    system="",
    user="<start_of_turn>user\n{text}<end_of_turn>\n",
    answer="<start_of_turn>model\n",
    between="\n",
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
