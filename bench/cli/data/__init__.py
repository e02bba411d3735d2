"""bench data: one file per command; bench/cli/app.py binds them to the command line."""
