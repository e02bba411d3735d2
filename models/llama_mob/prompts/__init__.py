"""Prompts: the instruction, the question and the answer, as text and as tokens."""
