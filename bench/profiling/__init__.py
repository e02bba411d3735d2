"""Seconds and memory of a model, beside the roofline of the machine."""
