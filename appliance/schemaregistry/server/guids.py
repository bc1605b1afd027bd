"""The id that a schema has in every registry: the MD5 of what makes it itself.

Semantics: Confluent 8.5.0 entities.Schema.updateHash; neither type, subject nor version count.
"""

from __future__ import annotations

import hashlib
import struct
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_RULES: Final = ("migrationRules", "domainRules", "encodingRules")


def guid_of(
    text: str, references: Sequence[tuple[str, str, int]], extras: Mapping[str, Any]
) -> str:
    """Give the id of a schema with the subjects it refers to, its metadata and its rules."""
    digest = hashlib.md5(text.encode(), usedforsecurity=False)
    for name, subject, version in references:
        digest.update(f"{name}{subject}".encode() + struct.pack(">i", version))
    for word, parts in (("metadata", _metadata), ("ruleSet", _rule_set)):
        found = extras.get(word)
        if found is not None:
            digest.update(b"\x01" + "".join(parts(found)).encode())
    return str(uuid.UUID(bytes=digest.digest()))


def _metadata(metadata: Mapping[str, Any]) -> Iterator[str]:
    for name, tags in sorted((metadata.get("tags") or {}).items()):
        yield from (name, *sorted(tags))
    for pair in sorted((metadata.get("properties") or {}).items()):
        yield from pair
    yield from sorted(metadata.get("sensitive") or ())


def _rule_set(rules: Mapping[str, Any]) -> Iterator[str]:
    for word in _RULES:
        for rule in rules.get(word) or ():
            yield from _rule(rule)
    yield rules.get("enableAt") or ""


def _rule(rule: Mapping[str, Any]) -> Iterator[str]:
    for word in ("name", "doc", "kind", "mode", "type"):
        yield rule.get(word) or ""
    yield from sorted(rule.get("tags") or ())
    for pair in sorted((rule.get("params") or {}).items()):
        yield from pair
    for word in ("expr", "onSuccess", "onFailure"):
        yield rule.get(word) or ""
    if rule.get("disabled"):
        yield "\x01"
