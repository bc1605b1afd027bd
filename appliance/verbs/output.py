"""How a verb prints: a table for people, JSON for programs, names for shells."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tui.revisions import changes

Row = Mapping[str, Any]
FORMS = ("table", "wide", "json", "jsonl", "yaml", "name")
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF")


def output_option(parser: argparse.ArgumentParser) -> None:
    """Add `-o`."""
    parser.add_argument(
        "-o", "--output", choices=FORMS, default="table", help="form of the answer"
    )


def limit_option(parser: argparse.ArgumentParser, default: int | None = None) -> None:
    """Add `--limit`."""
    about = (
        "so many at most" if default is None else f"so many at most, {default} unless it is said"
    )
    parser.add_argument("--limit", type=_count, default=default, metavar="N", help=about)


def _count(text: str) -> int:
    if text.isdigit() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text} is no number of entries")


def time_text(ms: int | None) -> str:
    """Give a time, in ms since the epoch, as people and programs read it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((ms or 0) / 1000))


def dry_run_option(parser: argparse.ArgumentParser, about: str) -> None:
    """Add `--dry-run`; `--preview` is its former name."""
    parser.add_argument("--dry-run", action="store_true", help=about)
    parser.add_argument("--preview", action="store_true", dest="dry_run", help=argparse.SUPPRESS)


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
    if form == "yaml":
        for row in rows:
            for text in _yaml(row, "- ", "  "):
                out(text)
        return
    titles = list(columns)
    if form == "wide":
        more = dict.fromkeys(name for row in rows for name in row if name not in columns)
        titles += more
    cells = [[_cell(row.get(column)) for column in titles] for row in rows]
    heads = [column.replace("_", " ").upper() for column in titles]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    for line in (heads, *cells):
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        out("  ".join(padded).rstrip())


def print_json(value: Any, out: Callable[[str], object] = print) -> None:
    """Print one JSON document."""
    out(json.dumps(value, indent=2, ensure_ascii=False))


def print_sections(value: Row, out: Callable[[str], object] = print) -> None:
    """Print a document for people: members, then a section for each list and mapping, long texts last."""
    texts: list[tuple[str, str]] = []
    _put_section("", value, out, texts)
    for what, text in texts:
        out("")
        out(f"{what}:")
        out(text.rstrip())


def _is_long(key: str, item: Any) -> bool:
    """Whether it stands by itself: a trace, or what else has lines."""
    return isinstance(item, str) and bool(item) and (key == "trace" or "\n" in item.rstrip())


def _put_section(
    title: str, value: Row, out: Callable[[str], object], texts: list[tuple[str, str]]
) -> None:
    nested = {key: item for key, item in value.items() if isinstance(item, (list, Mapping))}
    plain = {key: item for key, item in value.items() if key not in nested and key != "trace"}
    texts.extend(_long_texts(title, value))
    plain = {key: item for key, item in plain.items() if not _is_long(key, item)}
    width = max(map(len, plain), default=0)
    for key, item in plain.items():
        out(f"  {key.ljust(width)}  {_cell(item)}")
    for key, item in nested.items():
        out("")
        out(f"{key}:" if item else f"{key}: none")
        if isinstance(item, Mapping):
            _put_section(key, item, out, texts)
        elif item and all(isinstance(one, Mapping) for one in item):
            for one in item:
                texts.extend(_long_texts(key, one))
            columns = [
                name for name in dict.fromkeys(k for one in item for k in one) if name != "trace"
            ]
            print_rows(item, columns, "table", lambda line: out(f"  {line}"))
        else:
            for one in item:
                out(f"  {_cell(one)}")


def _long_texts(title: str, value: Row) -> Iterator[tuple[str, str]]:
    where = f"{title} {value.get('id', '')}".strip() or "it"
    for key, item in value.items():
        if _is_long(key, item):
            yield f"{key} of {where}", item


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Row]:
    """Give the options that differ as `option`, `before` and `after`, secrets masked."""
    # what only this needs would make every verb later
    from appliance.config.secrets import masked

    changed = changes(before, after)
    old, new = masked(before), masked(changed)
    return [
        {"option": option, "before": old.get(option), "after": new[option]}
        for option in sorted(changed)
    ]


def print_diff(differing: Sequence[Row], out: Callable[[str], object] = print) -> None:
    """Print what `differences` gives, old values with -, new ones with +."""
    for row in differing:
        for mark, value in (("-", row["before"]), ("+", row["after"])):
            if value is not None:
                out(f"{mark} {row['option']}={value}")


def _yaml(value: Any, first: str, other: str) -> Iterator[str]:
    """Give a mapping's or sequence's lines, the first one behind `first`, the others behind `other`.

    Scalars and keys are JSON's, which YAML reads alike.
    """
    pairs = value.items() if isinstance(value, Mapping) else ((None, item) for item in value)
    for key, item in pairs:
        head = "- " if key is None else f"{json.dumps(key, ensure_ascii=False)}: "
        if isinstance(item, (Mapping, list, tuple)) and item:
            if key is None:
                yield from _yaml(item, f"{first}- ", f"{other}  ")
            else:
                yield f"{first}{head}".rstrip()
                yield from _yaml(item, f"{other}  ", f"{other}  ")
        else:
            yield f"{first}{head}{json.dumps(item, ensure_ascii=False)}"
        first = other


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value):
        return ", ".join(map(_cell, value)) or "-"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    # of a text with lines a table has room for the first
    return str(value).partition("\n")[0]
