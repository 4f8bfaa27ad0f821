"""`python -m pcsim`: the command line."""

from pcsim.cli import main

main()
