"""What the commands do, one file each; bench/cli/app.py binds them to the command line."""
