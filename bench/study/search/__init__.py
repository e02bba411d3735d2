"""The search over training data and settings."""
