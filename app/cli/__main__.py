"""`python -m app.cli`: how ./tocsin in a checkout starts the command."""

from app.cli import main

main()
