"""What a run leaves: records, their store and where they came from."""
