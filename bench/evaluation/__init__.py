"""Answers, metrics and intervals."""
