"""How the lines of a text file are cut into columns, and which column is what: found from its beginning."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass

from daskgraph.errors import SourceError

HEAD, RELATION, TAIL, WEIGHT = ROLES = ("head", "relation", "tail", "weight")
SKIPPED = "_"

BY_WIDTH = {2: (HEAD, TAIL), 3: (HEAD, RELATION, TAIL), 4: ROLES}
"""What the columns are where nothing says it, by their number."""

_PAIRS = (
    ("head", "tail"),
    ("source", "target"),
    ("src", "dst"),
    ("subject", "object"),
    ("from", "to"),
    ("lhs", "rhs"),
    ("fromnodeid", "tonodeid"),
    ("source_id", "target_id"),
    ("head_id", "tail_id"),
    ("entity", "feature"),
    ("user", "item"),
    ("user_id", "item_id"),
    ("userid", "itemid"),
    ("userid", "movieid"),
)
_KNOWN = {
    **{name: role for pair in _PAIRS for name, role in zip(pair, (HEAD, TAIL), strict=True)},
    **dict.fromkeys(
        ("relation", "rel", "predicate", "edge", "edge_type", "relation_id", "label", "type"), RELATION
    ),
    **dict.fromkeys(("weight", "score", "rating"), WEIGHT),
}


@dataclass(frozen=True)
class Layout:
    """How to read the lines of one file."""

    delimiter: str
    """What stands between columns; a space stands for any run of spaces and tabs."""
    quoted: bool
    """Whether columns may stand in double quotes."""
    skipped: int
    """Lines before the first edge: comments and the header."""
    width: int
    """Number of columns."""
    roles: dict[str, int]
    """Position of head, tail, and of relation and weight where there are such columns."""

    def split(self, line: str) -> list[str]:
        """Return the columns of a line."""
        return split_line(line, self.delimiter, self.quoted)


def detect_layout(path: str, lines: Sequence[str], columns: Sequence[str] | None) -> Layout:
    """Find the layout of a file from its first lines, which may be more than comments and one edge.

    Lines that begin with `#` before the first edge are comments, unless they look just like edges. The
    first line is a header if its columns have usual names, or the names given as `columns`.

    Raises
    ------
    SourceError
        There is no edge, or the columns do not fit what `columns` says.
    """
    comments = _count_comments(lines)
    first = next((number for number, line in enumerate(lines) if number >= comments and line), None)
    if first is None:
        raise SourceError(path, "it holds no edges")
    delimiter = _delimiter(path, lines[first])
    quoted = delimiter in ",;"
    fields = split_line(lines[first], delimiter, quoted)
    header = fields if _is_header(fields, columns) else None
    roles = find_roles(path, header, len(fields), columns)
    return Layout(delimiter, quoted, first + (header is not None), len(fields), roles)


def split_line(line: str, delimiter: str, quoted: bool) -> list[str]:
    """Return the columns of a line without its end."""
    if delimiter == " ":
        return re.split(r"[ \t]+", line.strip(" \t"))
    if quoted and '"' in line:
        return next(csv.reader([line], delimiter=delimiter))
    return line.split(delimiter)


def find_roles(
    path: str, header: Sequence[str] | None, width: int, columns: Sequence[str] | None
) -> dict[str, int]:
    """Find the positions of head, relation, tail and weight.

    Parameters
    ----------
    path
        The source, for messages.
    header
        The columns' names, if they have names.
    width
        The number of columns.
    columns
        What the user says: names or 0-based positions of head, relation, tail, weight in this order; or
        what each column is, in the file's order ("_": nothing); or "head=…", "tail=…" and so on.

    Raises
    ------
    SourceError
        The columns do not fit.
    """
    if columns:
        roles = _given_roles(path, header, width, [column.strip() for column in columns])
    elif header is not None and (named := _known_roles(path, header)):
        roles = named
    elif width in BY_WIDTH:
        roles = {role: place for place, role in enumerate(BY_WIDTH[width])}
    else:
        what = "1 column" if width == 1 else f"{width} columns"
        raise SourceError(
            path,
            f"it has {what}; 2 to 4 are expected (head, relation, tail, weight), or name them with --columns",
        )
    if HEAD not in roles or TAIL not in roles:
        raise SourceError(
            path, f"--columns names no {HEAD if HEAD not in roles else TAIL}: give head and tail at least"
        )
    return roles


def explain_columns(columns: Sequence[str]) -> str | None:
    """Return what columns named by their order alone are taken for; None where they say it themselves."""
    given = [column.strip() for column in columns]
    if len(given) not in BY_WIDTH or all(column in (*ROLES, SKIPPED) for column in given):
        return None
    if any("=" in column for column in given):
        return None
    pairs = zip(BY_WIDTH[len(given)], given, strict=True)
    return f"columns are taken as {', '.join(f'{role}={column}' for role, column in pairs)}"


def find_header_roles(path: str, header: Sequence[str], columns: Sequence[str] | None) -> dict[str, int]:
    """Find the roles of columns that surely have names, as those of a table."""
    return find_roles(path, list(header), len(header), columns)


def _given_roles(path: str, header: Sequence[str] | None, width: int, columns: list[str]) -> dict[str, int]:
    if any("=" in column for column in columns):
        pairs = [column.partition("=") for column in columns]
        wrong = [role for role, _, _ in pairs if role not in ROLES]
        if wrong:
            raise SourceError(
                path,
                f"--columns {wrong[0]!r} should begin with one of {', '.join(f'{role}=' for role in ROLES)}",
            )
        return {role: _position(path, header, width, column) for role, _, column in pairs}
    names = [name.strip() for name in header or ()]
    if all(column in (*ROLES, SKIPPED) for column in columns):
        if set(columns) <= set(names):
            return {column: names.index(column) for column in columns}
        if len(columns) != width:
            given = ",".join(columns)
            reason = f"it has {width} columns, and --columns {given} names {len(columns)}; _ leaves one out"
            raise SourceError(path, reason)
        return {role: place for place, role in enumerate(columns) if role != SKIPPED}
    if len(columns) not in BY_WIDTH:
        raise SourceError(path, f"--columns gives {len(columns)} columns; 2 to 4 are expected")
    places = [_position(path, header, width, column) for column in columns]
    return dict(zip(BY_WIDTH[len(columns)], places, strict=True))


def _position(path: str, header: Sequence[str] | None, width: int, column: str) -> int:
    names = [name.strip() for name in header or ()]
    if column in names:
        return names.index(column)
    if column.isdecimal() and int(column) < width:
        return int(column)
    known = f"{', '.join(names)}, or 0 to {width - 1}" if names else f"0 to {width - 1}, as it has no header"
    raise SourceError(path, f"it has no column {column!r}; its columns are {known}")


def _known_roles(path: str, header: Sequence[str]) -> dict[str, int] | None:
    if not _has_usual_names(header):
        return None
    found = [_KNOWN.get(name.strip().casefold()) for name in header]
    if None in found or len(set(found)) != len(found):
        reason = f"which of its columns {', '.join(header)} is what? Say it with --columns head=…,tail=…"
        raise SourceError(path, reason)
    return {role: place for place, role in enumerate(found) if role is not None}


def _has_usual_names(fields: Sequence[str]) -> bool:
    names = {field.strip().casefold() for field in fields}
    # Entities may be words, and these two are.
    plain = names <= _KNOWN.keys() or not {"from", "to"} <= names
    return plain and any({head, tail} <= names for head, tail in _PAIRS)


def _is_header(fields: Sequence[str], columns: Sequence[str] | None) -> bool:
    if _has_usual_names(fields):
        return True
    asked = {column.partition("=")[2] or column for column in columns or ()} - {SKIPPED}
    wanted = {column.strip() for column in asked if not column.strip().isdecimal()}
    return bool(wanted) and wanted <= {field.strip() for field in fields}


def _count_comments(lines: Sequence[str]) -> int:
    leading = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if not any(_is_plain_comment(line) for line in lines[:leading]) and leading:
        # Such as an edge between two hashtags: as many columns as the first line without "#".
        following = lines[leading] if leading < len(lines) else lines[0]
        delimiter = _delimiter("", following)
        widths = {len(split_line(line, delimiter, False)) for line in (*lines[:leading], following)}
        if len(widths) == 1 and not _has_usual_names(split_line(lines[0][1:], delimiter, False)):
            return 0
    return leading


def _is_plain_comment(line: str) -> bool:
    return re.match(r"#(\s|#|!|$)", line) is not None


def _delimiter(path: str, line: str) -> str:
    stem = re.sub(r"\.(gz|zst)$", "", path.lower())
    order = ",;\t" if stem.endswith(".csv") else "\t" if stem.endswith(".tsv") else "\t,"
    return next((delimiter for delimiter in order if delimiter in line), " ")
