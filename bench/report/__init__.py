"""Leaderboards in a terminal, as Markdown, CSV, figures and pages, from records alone."""
