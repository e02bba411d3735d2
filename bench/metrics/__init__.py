"""Metrics, each name@version, with unit and direction."""
