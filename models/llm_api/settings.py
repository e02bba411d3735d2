"""Settings of llm_api: the server, the prompt, how it is asked, and what it may cost."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bench.adapters import adapter
from models.llama_mob.settings import Instruction

Form = Literal["json_schema", "json_object_schema", "json_object", "none"]
FORMS: tuple[Form, ...] = get_args(Form)


class Price(BaseModel):
    """What a million tokens cost, in the currency of ``limit_cost``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    read: float = Field(ge=0, description="a million tokens of prompts")
    written: float = Field(ge=0, description="a million tokens of answers")


class LlmApiSettings(adapter.Settings):
    """Settings of llm_api."""

    predicts_with: ClassVar[frozenset[str]] = frozenset(
        {"structured", "temperature", "top_p", "parallel", "attempts", "wait_seconds", "timeout_seconds"}
        | {"limit_tokens", "limit_cost", "prices", "key_from"}
    )

    url: str = Field(
        "http://127.0.0.1:8000/v1", description="of the server's OpenAI-compatible interface, without user or password"
    )
    model: str = Field("", description="the model's name there; empty: the only one that the server lists")
    key_from: str | None = Field(
        None,
        pattern=r"^[A-Z][A-Z0-9_]*$",
        description="environment variable that holds the key, e.g. OPENAI_API_KEY; none: the server asks for no key",
    )
    shots: int = Field(0, ge=0, description="training users shown with their answers before the question; more cost")
    history_days: int | None = Field(None, ge=1, description="last days of the history that are shown; none: all")
    instruction: Instruction = Field(
        Instruction(answer="minified"), description="the parts of the prompt; those of llama_mob"
    )
    structured: Form | Literal["auto"] = Field(
        "auto",
        description="how the server keeps the answer in form: json_schema (OpenAI, vLLM, llama.cpp, Ollama), "
        "json_object_schema (llama-cpp-python), json_object (JSON of any form), none; auto: the first of them that it "
        "takes. Only for answers in JSON",
    )
    temperature: float = Field(
        0.0, ge=0, description="higher is more varied; many servers are not repeatable even at 0"
    )
    top_p: float = Field(1.0, gt=0, le=1, description="sample from the most probable tokens of this share only")
    parallel: int = Field(4, ge=1, description="requests at a time; more is faster until the server refuses")
    attempts: int = Field(5, ge=1, description="tries of a request that met a fault of server or network")
    wait_seconds: float = Field(
        1.0, ge=0, description="wait after the first fault, doubled after each further one, at most a minute"
    )
    timeout_seconds: float = Field(300.0, gt=0, description="longest wait for one answer")
    limit_tokens: int | None = Field(
        None,
        ge=1,
        description="tokens that a run may take for all test cities of one fit; the rest stays unanswered; none: no "
        "limit",
    )
    limit_cost: float | None = Field(None, gt=0, description="money, likewise; needs the model's price; none: no limit")
    prices: dict[str, Price] = Field({}, description="price table: model -> read and written, a million tokens each")
    trained_on: tuple[str, ...] = Field(
        (), description="cities that are known to be in the model's training: leak flag"
    )

    @field_validator("url")
    @classmethod
    def _plain_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must begin with http:// or https:// and name a server, e.g. http://127.0.0.1:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("holds a user, a password or a query, which would be written down; use key_from for a key")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _limits_need_prices(self) -> Self:
        if self.limit_cost is not None and self.model not in self.prices:
            raise ValueError(f"limit_cost needs the price of '{self.model}' in prices: {{read: ..., written: ...}}")
        if self.structured not in ("auto", "none") and not self.in_json:
            raise ValueError(f"structured: {self.structured} needs an answer in JSON: instruction.answer: minified")
        return self

    @property
    def in_json(self) -> bool:
        """Whether the answer is asked for in JSON."""
        return self.instruction.answer in ("json", "minified")

    def recorded(self) -> dict[str, Any]:
        """Return the settings as records hold them: a server of this machine or network without its address."""
        content = super().recorded()
        host = urlsplit(self.url).hostname or ""
        private = host == "localhost" or "." not in host or host.startswith(("127.", "10.", "192.168.", "172."))
        return content | {"url": "local" if private or ":" in host else host}
