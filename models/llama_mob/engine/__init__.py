"""The decoding engine."""

from models.llama_mob.engine.decode import Counts, Result, Task
from models.llama_mob.engine.engine import Engine

__all__ = ["Counts", "Engine", "Result", "Task"]
