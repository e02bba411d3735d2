"""llm_api: a language model behind an OpenAI-compatible server, hosted or local (vLLM, llama.cpp, Ollama).

It reads the same prompt as llama_mob and writes the cells as text; docs/llm-api.md says how to run it. A user whose
request comes to nothing, or for whom the limits leave no room, gets ``missing``; what was answered stays.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.adapters import adapter
from bench.adapters.adapter import Adapter, Context, Needs, Split
from bench.adapters.origin import Learning
from bench.data.trajectories import MISSING, Answers, Queries, Trajectories, by_user
from bench.errors import UserError
from models.llama_mob.prompts import shots
from models.llm_api.budget import Budget
from models.llm_api.settings import FORMS, LlmApiSettings

if TYPE_CHECKING:
    from models.llama_mob.prompts.template import Template
    from models.llm_api.client import Client, Reply

LEFT_OUT = ("users_without_history", "users_failed", "users_over_budget")
FAULTS = ("malformed", "missing", "surplus", "out_of_range", "duplicates")
WORK = ("users", "tokens_read", "tokens_fed", "requests", "retries", "from_cache", "request_seconds", "cost")
SPENT = (*WORK, *FAULTS, *LEFT_OUT)


class LlmApi(Adapter):
    """Asks a server: instruction, perhaps examples, a user's records; reads the cells from what it writes."""

    name: ClassVar[str] = "llm_api"
    Settings: ClassVar[type[adapter.Settings]] = LlmApiSettings
    needs: ClassVar[Needs] = Needs(("openai",), "mobility-bench[api]", keeps=True)
    timed: ClassVar[bool] = False  # a second call would cost again, or come from the cache
    settings: LlmApiSettings

    def __init__(self, settings: adapter.Settings | None = None) -> None:
        super().__init__(settings)
        chosen = self.settings
        if not chosen.shots:
            self.learns_from = "nothing"  # type: ignore[misc]
        if chosen.key_from:
            self.needs = replace(self.needs, environment=(chosen.key_from,))  # type: ignore[misc]
        self._budget = Budget(chosen.limit_tokens, chosen.limit_cost, chosen.prices.get(chosen.model))
        self._form = (chosen.structured if chosen.structured != "auto" else FORMS[0]) if chosen.in_json else "none"
        self._shown: Trajectories | None = None
        self._spent: dict[str, float] = {}
        self._lock = threading.Lock()

    def seen(self) -> tuple[str, ...]:
        """Return the cities that the settings name; of hosted models nobody else can say."""
        return self.settings.trained_on

    def skip(self, split: Split) -> str | None:
        """Skip where the key is missing, or the server does not answer."""
        from models.llm_api.client import Client, Unanswered

        quick = self.settings.model_copy(update={"attempts": 1, "timeout_seconds": 20.0})
        try:
            Client(quick, Path()).model()
        except (UserError, Unanswered) as error:
            return str(error)
        return None

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Draw the training users who are shown as examples."""
        self._shown = shots.draw(train, self.settings.shots, ctx)

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Ask for all users, some at a time."""
        from models.llama_mob.prompts.template import Template
        from models.llm_api.client import Client

        template = Template.build(self.settings.instruction, ctx.grid, ctx.calendar)
        client, self._spent = Client(self.settings, ctx.folder), dict.fromkeys(SPENT, 0.0)
        self._spent["users"] = len(queries.users)
        tasks = list(enumerate(by_user(history, queries)))
        found: list[Answers] = []
        with ThreadPoolExecutor(self.settings.parallel) as pool:
            futures = [pool.submit(self._answer, client, template, n, task, ctx) for n, task in tasks]
            try:
                for n, future in enumerate(futures):
                    found.append(future.result())
                    ctx.progress("users", n + 1, len(tasks))
                    ctx.check_time()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        asked = self._spent["users"] - self._spent["users_without_history"] - self._spent["users_over_budget"]
        if asked and self._spent["users_failed"] == asked:
            raise UserError(f"llm_api: {self.settings.url} answered none of {asked:.0f} requests; see the run's log")
        return Answers.concat(found)

    def save(self, folder: Path) -> None:
        """Write the examples' rows."""
        if self._shown is not None:
            shots.save(self._shown, folder)

    def load(self, folder: Path) -> None:
        """Read what save wrote."""
        if self.settings.shots:
            self._shown = shots.load(folder, self.settings.shots)

    def learning(self) -> Learning:
        """Return the start: whatever the server's model learned before."""
        name = self.settings.model or "the model that its server has"
        return Learning(start="pretrained", pretrained_on=f"unknown data ({name})")

    def facts(self) -> Mapping[str, int | float | str]:
        """Return how many examples are shown."""
        return {"init": "pretrained", "shots": self.settings.shots}

    def usage(self) -> Mapping[str, float]:
        """Return tokens, money, requests and faults of the last call."""
        return self._spent

    def _answer(
        self, client: Client, template: Template, ticket: int, task: tuple[Any, Trajectories, Queries], ctx: Context
    ) -> Answers:
        """Ask for one user."""
        from models.llama_mob.prompts.parse import read_answer
        from models.llm_api.client import Unanswered

        user, past, asked = task
        if not len(past):
            return self._nothing(asked, "users_without_history")
        try:
            reply = self._asked(client, template, ticket, past, asked, ctx)
        except Unanswered as error:
            print(f"uid {user[1]} of {user[0]}: {error}", flush=True)
            return self._nothing(asked, "users_failed")
        if reply is None:
            return self._nothing(asked, "users_over_budget")
        rows = np.stack([asked.d, asked.t], axis=1).astype(np.int64)
        reading = read_answer(reply.text, rows, keyed=template.layout.keyed, grid=ctx.grid)
        self._count(**{name: getattr(reading, name) for name in FAULTS})
        return replace(Answers.of(reading.x, reading.y, reading.status), raw={user: reply.text})

    def _asked(
        self, client: Client, template: Template, ticket: int, past: Trajectories, asked: Queries, ctx: Context
    ) -> Reply | None:
        """Send one user's request in the form that the server takes; None where the limits leave no room."""
        from models.llm_api import prompts
        from models.llm_api.client import NotInForm

        days = self.settings.history_days
        told = shots.turns(template, shots.cut(self._shown, ctx.window, days)) if self._shown is not None else []
        said = prompts.messages(template, told, shots.recent(past, days), asked)
        characters, longest = sum(len(part["content"]) for part in said), prompts.longest(template, asked)
        while True:
            form = self._form
            request = self._request(client, said, longest, form, prompts.schema(template, asked), ctx)
            cached = client.is_cached(request)
            if not cached and not self._budget.reserve(ticket, characters, longest):
                return None
            try:
                reply = client.ask(request)
            except NotInForm as error:
                self._budget.release(ticket)
                if self.settings.structured != "auto" or form == "none":
                    raise UserError(f"llm_api: {self.settings.url} refuses the request: {error}") from None
                if self._form == form:
                    self._form = FORMS[FORMS.index(form) + 1]
                continue
            except BaseException:
                self._budget.release(ticket)
                raise
            cost = 0.0 if cached else self._budget.settle(ticket, characters, reply.read, reply.written)
            self._count(
                tokens_read=reply.read,
                tokens_fed=reply.written,
                requests=0 if reply.cached else 1 + reply.retries,
                retries=reply.retries,
                from_cache=int(reply.cached),
                request_seconds=reply.seconds,
                cost=cost,
            )
            return reply

    def _request(
        self, client: Client, said: list[dict[str, str]], longest: int, form: str, schema: dict[str, Any], ctx: Context
    ) -> dict[str, Any]:
        settings = self.settings
        request: dict[str, Any] = {
            "model": client.model(),
            "messages": said,
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "max_tokens": longest,
            "seed": ctx.seed,
        }
        if form == "json_schema":
            named = {"name": "prediction", "schema": schema, "strict": True}
            request["response_format"] = {"type": "json_schema", "json_schema": named}
        elif form == "json_object_schema":
            request["response_format"] = {"type": "json_object", "schema": schema}
        elif form == "json_object":
            request["response_format"] = {"type": "json_object"}
        return request

    def _count(self, **amounts: float) -> None:
        with self._lock:
            for name, amount in amounts.items():
                self._spent[name] += amount

    def _nothing(self, asked: Queries, why: str) -> Answers:
        self._count(**{why: 1, "missing": len(asked)})
        zero = np.zeros(len(asked), np.int16)
        return Answers.of(zero, zero, np.full(len(asked), MISSING))
