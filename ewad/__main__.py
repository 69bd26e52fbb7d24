"""`python -m ewad`."""

from ewad.cli import main

main()
