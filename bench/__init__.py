"""mobility-bench: protocols, adapters, metrics and leaderboards for human mobility prediction."""

__version__ = "0.1.0"
