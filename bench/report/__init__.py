"""Leaderboards in a terminal, Markdown and CSV, from records alone."""
