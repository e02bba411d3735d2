"""What a model may take in a run: tokens and money, counted before each request as far as can be known."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from models.llm_api.settings import Price


@dataclass
class Budget:
    """Limits over all requests of one process; safe to use from several threads.

    A request is let through if what was taken, what requests under way may take and what it may take itself stay
    within the limits. What a request may take is estimated from the requests before; of the first, a token a
    character. So a limit may be passed by little, where a prompt has more tokens a character than all before it.
    """

    tokens: int | None = None
    cost: float | None = None
    price: Price | None = None
    taken_tokens: int = 0
    taken_cost: float = 0.0
    _under_way: dict[int, tuple[float, float]] = field(default_factory=dict)
    _per_character: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reserve(self, ticket: int, characters: int, longest: int) -> bool:
        """Ask for one request of so many characters whose answer has at most ``longest`` tokens."""
        with self._lock:
            read = characters * (self._per_character * 1.05 or 1.0)
            asked = (read + longest, self._cost_of(read, longest))
            waiting = list(self._under_way.values())
            tokens, cost = (sum(part) for part in zip(asked, *waiting, strict=True))
            if self.tokens is not None and self.taken_tokens + tokens > self.tokens:
                return False
            if self.cost is not None and self.taken_cost + cost > self.cost:
                return False
            self._under_way[ticket] = asked
            return True

    def settle(self, ticket: int, characters: int, read: int, written: int) -> float:
        """Count what a request took; return its cost."""
        with self._lock:
            self._under_way.pop(ticket, None)
            if characters and read:
                self._per_character = max(self._per_character, read / characters)
            cost = self._cost_of(read, written)
            self.taken_tokens += read + written
            self.taken_cost += cost
            return cost

    def release(self, ticket: int) -> None:
        """Forget a request that came to nothing."""
        with self._lock:
            self._under_way.pop(ticket, None)

    def _cost_of(self, read: float, written: float) -> float:
        return (read * self.price.read + written * self.price.written) / 1e6 if self.price else 0.0
