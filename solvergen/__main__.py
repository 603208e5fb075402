"""``python -m solvergen``."""

from solvergen.cli import main

main()
