"""Reading and fetching of data files."""
