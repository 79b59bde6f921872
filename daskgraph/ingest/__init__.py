"""From edge files and other sources to a graph store."""

from daskgraph.ingest.directory import SourceFiles, find_files
from daskgraph.ingest.estimating import estimate
from daskgraph.ingest.importing import import_edges
from daskgraph.ingest.readers import heads_take_tails

__all__ = ["SourceFiles", "estimate", "find_files", "heads_take_tails", "import_edges"]
