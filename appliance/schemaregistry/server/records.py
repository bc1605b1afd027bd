"""Keys and values of the `_schemas` topic, byte for byte as Confluent's registry writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Record = tuple[bytes, bytes | None]


def _text(form: Mapping[str, Any]) -> bytes:
    return json.dumps(form, separators=(",", ":"), ensure_ascii=False).encode()


def schema_key(subject: str, version: int) -> bytes:
    """Give the key of one version."""
    return _text({"keytype": "SCHEMA", "subject": subject, "version": version, "magic": 1})


def setting_key(keytype: str, subject: str | None) -> bytes:
    """Give the key of a CONFIG, MODE or DELETE_SUBJECT record; no subject means all."""
    named = {} if subject is None else {"subject": subject}
    return _text({"keytype": keytype, **named, "magic": 0})


def schema_value(value: Mapping[str, Any]) -> bytes:
    """Give the value of one version; `schemaType` is left out for AVRO, empty members too."""
    order = ("subject", "version", "id", "schemaType", "references", "metadata", "ruleSet")
    form = {
        name: value[name]
        for name in order
        if value.get(name) not in (None, []) and (name, value[name]) != ("schemaType", "AVRO")
    }
    return _text({**form, "schema": value["schema"], "deleted": value["deleted"]})


def setting_value(form: Mapping[str, Any]) -> bytes:
    """Give the value of a CONFIG, MODE or DELETE_SUBJECT record."""
    return _text({name: value for name, value in form.items() if value is not None})


def parsed(key: bytes, value: bytes | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Give key and value as maps; an empty value is a tombstone. Raises ValueError."""
    found = json.loads(key)
    content = json.loads(value) if value else None
    if not isinstance(found, dict) or not (content is None or isinstance(content, dict)):
        raise ValueError("a record of the registry is no pair of objects")
    return found, content
