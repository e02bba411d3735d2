"""The contract with a model, and the names of models."""
