"""What marks a folder as a store of daskgraph: its kind and the version of its format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from daskgraph.errors import DamagedStoreError, NotAStoreError, StoreVersionError
from daskgraph.store.files import METADATA, read_group

FORMAT = 1
"""The version of both stores' format that this code reads and writes."""

GRAPH, MODEL = "graph", "model"


def header(kind: str) -> dict[str, Any]:
    """Return the attribute that marks a store of that kind."""
    return {"kind": kind, "format": FORMAT}


def read_header(path: Path, kind: str | None = None) -> dict[str, Any]:
    """Return the root attributes of a store.

    Raises
    ------
    NotAStoreError
        The path is missing, no store, or a store of the other kind.
    StoreVersionError
        The store has a format version other than `FORMAT`.
    """
    wanted = f"{kind} store" if kind else "graph or model store"
    try:
        attributes = read_group(path)
    except (FileNotFoundError, NotADirectoryError):
        raise NotAStoreError(str(path), wanted, path.exists()) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DamagedStoreError(str(path), METADATA, "it is no JSON") from error
    except ValueError:
        raise NotAStoreError(str(path), wanted) from None
    mark = attributes.get("daskgraph")
    if not isinstance(mark, dict) or mark.get("kind") not in ((kind,) if kind else (GRAPH, MODEL)):
        raise NotAStoreError(str(path), wanted)
    if mark.get("format") != FORMAT:
        raise StoreVersionError(str(path), mark.get("format"), FORMAT)
    return attributes
