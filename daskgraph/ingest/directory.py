"""A folder with train, valid and test edges: which file is what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from daskgraph.errors import SourceError

_FILE = re.compile(
    r"(?P<stem>train|valid|validation|dev|test|names|edges)(\.(tsv|csv|txt|parquet))?(\.(gz|zst))?",
    re.IGNORECASE,
)
_SPLITS = {"edges": "train", "validation": "valid", "dev": "valid"}


@dataclass(frozen=True)
class SourceFiles:
    """The files of a source folder."""

    train: Path
    """Edges to train."""
    valid: Path | None = None
    """Edges to choose by."""
    test: Path | None = None
    """Edges to judge by."""
    labels: Path | None = None
    """Id, label and description of entities."""


def find_files(folder: str | Path) -> SourceFiles:
    """Find train (or edges), valid, test and names in a folder, in any accepted format.

    Raises
    ------
    SourceError
        There is no train file, or two files for one purpose.
    """
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).iterdir()):
        match = _FILE.fullmatch(path.name)
        if match is None or not path.is_file():
            continue
        stem = match["stem"].lower()
        purpose = _SPLITS.get(stem, stem)
        if purpose in found:
            reason = f"{found[purpose].name} and {path.name} serve one purpose; keep one"
            raise SourceError(str(folder), reason)
        found[purpose] = path
    if "train" not in found:
        expected = "train.tsv, .csv, .txt or .parquet is expected, and perhaps valid, test and names"
        raise SourceError(str(folder), f"it has no train edges: {expected}")
    return SourceFiles(found["train"], found.get("valid"), found.get("test"), found.get("names"))
