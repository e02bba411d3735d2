"""Protocols: YAML to frozen objects."""
