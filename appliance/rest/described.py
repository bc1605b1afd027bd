"""What a route's declaration cannot say, and the schemas that several descriptions share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
FLAG: Final[Schema] = {"type": "boolean"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
CONFIG: Final[Schema] = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
OBJECT: Final[Schema] = {"type": "object"}
OFFSETS: Final[Schema] = {
    "type": "object",
    "required": ["offsets"],
    "additionalProperties": False,
    "properties": {
        "offsets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["partition", "offset"],
                "additionalProperties": False,
                "properties": {
                    "partition": OBJECT,
                    "offset": {"type": ["object", "null"]},
                },
            },
        }
    },
}


class Described(NamedTuple):
    """What a route's declaration cannot say; `answer` None: no body, `query` by name.

    `tried` is the answer, with 200, to a body with `dry_run`.
    """

    summary: str
    answer: Any = None
    body: Schema | None = None
    query: Mapping[str, Schema] = {}
    status: int = 200
    media: str = "application/json"
    tried: Any = None
