"""The order in which a Java hash map gives its keys, for answers that carry that order."""

from __future__ import annotations

from collections.abc import Iterable


def hash_order(names: Iterable[str]) -> list[str]:
    """Give `names` in the order of a java.util.HashMap that they were put into one by one."""
    return _ordered(names, 16)


def copied_hash_order(names: Iterable[str]) -> list[str]:
    """Give `names` in the order of a java.util.HashMap that was made as a copy of a map with them."""
    unique = list(dict.fromkeys(names))
    size, wanted = 1, int(len(unique) / 0.75 + 1)
    while size < wanted:
        size *= 2
    return _ordered(unique, size)


def _ordered(names: Iterable[str], size: int) -> list[str]:
    unique = list(dict.fromkeys(names))
    while len(unique) > size * 3 // 4:
        size *= 2
    return sorted(unique, key=lambda name: _spread(name) & (size - 1))


def _spread(name: str) -> int:
    value = 0
    encoded = name.encode("utf-16-be", "surrogatepass")
    for at in range(0, len(encoded), 2):
        value = (value * 31 + (encoded[at] << 8 | encoded[at + 1])) & 0xFFFFFFFF
    return value ^ value >> 16
