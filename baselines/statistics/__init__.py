"""Per-user statistics."""
