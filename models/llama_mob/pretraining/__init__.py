"""How the tiny base was trained."""
