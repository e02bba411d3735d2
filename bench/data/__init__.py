"""Trajectories and where they come from."""
