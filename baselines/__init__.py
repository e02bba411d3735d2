"""Adapters that need no language model; file or folder name = adapter name."""
