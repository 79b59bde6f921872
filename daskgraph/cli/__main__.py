"""`python -m daskgraph.cli` is `daskgraph`."""

from daskgraph.cli import main

main()
