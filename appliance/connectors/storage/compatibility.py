"""Whether a record may go into the open file, and how it is projected to the file's schema.

Semantics: Confluent StorageSchemaCompatibility (NONE, BACKWARD, FORWARD, FULL) over SchemaProjector.
"""

from __future__ import annotations

from typing import Literal

from appliance.data import Schema
from appliance.data.projector import projector
from appliance.errors import DataError, SchemaProjectorError

Mode = Literal["NONE", "BACKWARD", "FORWARD", "FULL"]


def parse_mode(text: str) -> Mode:
    """Give the mode; an unknown text is NONE, as in the original."""
    upper = text.upper()
    return upper if upper in ("BACKWARD", "FORWARD", "FULL") else "NONE"  # type: ignore[return-value]  # as tested


def must_rotate(mode: Mode, record: Schema | None, file: Schema | None) -> bool:
    """Whether records of schema `record` need a new file. Raises DataError for a switch to schemaless."""
    if record is file or record == file:
        return False
    if record is None or file is None:
        raise DataError("Switch between schema-based and schema-less data is not supported")
    if mode == "NONE":
        return True
    if record.version is None or file.version is None:
        raise DataError(f"Schema version required for {mode} compatibility")
    newer = record.version > file.version
    older = record.version < file.version
    if (older if mode == "FORWARD" else newer) or not (newer or older):
        return True
    try:
        projector(record, file)
    except SchemaProjectorError:
        return True
    return False
