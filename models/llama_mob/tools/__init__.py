"""Commands around Llama-Mob that no run needs."""
