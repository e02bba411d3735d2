"""Adapters of language models and other large models; file or folder name = adapter name."""
