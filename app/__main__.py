"""`python -m app`: the `tocsin` command."""

from app.cli import main

main()
