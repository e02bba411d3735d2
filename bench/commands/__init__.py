"""What the commands do, one file each; bench/cli.py binds them to the command line."""
