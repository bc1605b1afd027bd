"""How a verb prints: a table for people, JSON for programs, names for shells."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
FORMS = ("table", "json", "jsonl", "name")


def output_option(parser: argparse.ArgumentParser) -> None:
    """Add `-o`."""
    parser.add_argument(
        "-o", "--output", choices=FORMS, default="table", help="form of the answer"
    )


def print_rows(
    rows: Sequence[Row],
    columns: Sequence[str],
    form: str,
    out: Callable[[str], object] = print,
) -> None:
    """Print rows; `columns` are the members of a table, its first column is the name."""
    if form == "json":
        out(json.dumps(list(rows), indent=2, ensure_ascii=False))
        return
    if form == "jsonl":
        for row in rows:
            out(json.dumps(row, ensure_ascii=False))
        return
    if form == "name":
        for row in rows:
            out(str(row[columns[0]]))
        return
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    heads = [column.replace("_", " ").upper() for column in columns]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for line in (heads, *cells):
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        out("  ".join(padded).rstrip())


def print_json(value: Any, out: Callable[[str], object] = print) -> None:
    """Print one JSON document."""
    out(json.dumps(value, indent=2, ensure_ascii=False))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)
