"""`python -m workbench.cli`, without the current folder, which may be a study, before everything installed."""

from workbench.cli import main

main()
