"""bench data: a file a command; bench/cli/app.py binds them to the command line."""
