"""Offsets and partitions as one line: `orders/3`, `mysql-bin.000412:88121993`, `{server: shop1}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tui.text import count, size


def place_text(place: Mapping[str, Any] | None) -> str:
    """Give a source's or sink's partition or offset in words."""
    if place is None:
        return "-"
    if set(place) == {"kafka_topic", "kafka_partition"}:
        return f"{place['kafka_topic']}/{place['kafka_partition']}"
    if set(place) == {"kafka_offset"}:
        return str(place["kafka_offset"])
    if "file" in place and "pos" in place:
        rest = "".join(f" {name}={place[name]}" for name in ("gtids", "row") if place.get(name))
        return f"{place['file']}:{place['pos']}{rest}"
    inner = ", ".join(f"{name}: {value}" for name, value in place.items())
    return f"{{{inner}}}"


def end_text(entry: Mapping[str, Any]) -> str:
    """Give where a partition of `/lag` ends, or how many bytes away that is."""
    if entry.get("bytes") is not None:
        return f"+{size(entry['bytes'])}"
    return place_text(entry["end"])


def behind_text(entry: Mapping[str, Any]) -> str:
    """Give how many records of a sink's partition are not committed, or how late a source is."""
    value = entry.get("behind")
    if value is None:
        return "-"
    return f"{value / 1000:.1f} s late" if entry.get("unit") == "ms" else count(value)
