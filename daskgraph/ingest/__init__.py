"""From edge files and other sources to a graph store."""

from daskgraph.ingest.directory import SourceFiles, find_files
from daskgraph.ingest.estimating import estimate
from daskgraph.ingest.importing import import_edges

__all__ = ["SourceFiles", "estimate", "find_files", "import_edges"]
