"""Request bodies: JSON read as Jackson reads it, its error texts included.

Numbers and booleans that stand for texts keep the spelling of the request (`1.50` stays `1.50`).
Semantics: Kafka Connect 4.3.1 with Jackson 2.21 as configured there (unknown members are refused).
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from appliance.rest.errors import RestError
from appliance.rest.jsonfaults import fault_text, read_so_far, source_at

_ENTITIES: Final = "org.apache.kafka.connect.runtime.rest.entities."
CREATE_REQUEST: Final = f"{_ENTITIES}CreateConnectorRequest"
OFFSETS: Final = f"{_ENTITIES}ConnectorOffsets"
OFFSET: Final = f"{_ENTITIES}ConnectorOffset"
HASH_MAP: Final = "java.util.LinkedHashMap"
_TOO_DEEP: Final = (
    "Document nesting depth (1001) exceeds the maximum allowed (1000, from "
    "`StreamReadConstraints.getMaxNestingDepth()`)"
)
TEXT_MAP: Final = f"{HASH_MAP}<java.lang.String,java.lang.String>"
_LONG: Final = 1 << 63
OBJECT_MAP: Final = f"{HASH_MAP}<java.lang.String,java.lang.Object>"
_HOLDERS: Final = {
    CREATE_REQUEST: (CREATE_REQUEST,),
    OFFSETS: (OFFSETS, "java.util.ArrayList", OFFSET),
}
"""What holds what in the entities, from the outside in; a map adds nothing to a fault in it."""
T = TypeVar("T")


class UnknownMemberError(RestError):
    """A member that an entity does not have: told only when all others are bound."""


class Literal(str):
    """A number as it was spelt."""

    __slots__ = ()


def read_body(body: bytes, bind: Callable[[Any], T], java_type: str | None = TEXT_MAP) -> T | None:
    """Give what `bind` makes of the value of a body, None for an empty one and for null.

    The body stands for a `java_type` (None: an array). Raises RestError 500 with Jackson's words, as `bind`
    does: Jackson binds while it reads, so what stands before a fault of the text is bound first.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body.strip():
        return None
    try:
        text = body.decode()
        value = _loaded(text)
    except UnicodeDecodeError as error:
        raise RestError(500, f"Invalid UTF-8 middle byte{_at()}") from error
    except json.JSONDecodeError as error:
        so_far, path = read_so_far(error)
        begun = _loaded(so_far) if so_far else None
        if begun is not None:
            whole = error.msg == "Extra data"
            with contextlib.nullcontext() if whole else contextlib.suppress(UnknownMemberError):
                bind(begun)
        bound = "java.util.Map" if java_type == TEXT_MAP else java_type or "java.util.List"
        chain = _chain(java_type, path)
        raise RestError(500, fault_text(error, bound) + chain) from error
    except RecursionError as error:
        raise RestError(500, _TOO_DEEP) from error
    return None if value is None else bind(value)


def _loaded(text: str) -> Any:
    return json.loads(text, parse_int=Literal, parse_float=Literal, parse_constant=_refuse)


def _chain(java_type: str | None, path: Sequence[str]) -> str:
    """Give Jackson's words for where in the entity a fault is; `path` are steps like `["name"]` and `[0]`."""
    steps = [
        holder + step
        for holder, step in zip(_HOLDERS.get(java_type or "", ()), path, strict=False)
    ]
    return f" (through reference chain: {'->'.join(steps)})" if steps else ""


def text_map(value: Any, chain: str = "") -> dict[str, str | None]:
    """Give a JSON object as a map of texts. Raises RestError 500."""
    if not isinstance(value, dict):
        raise RestError(500, _mismatch(value, TEXT_MAP, chain))
    return {name: _text(name, item, chain) for name, item in value.items()}


def text_value(value: Any, chain: str) -> str | None:
    """Give a scalar as text. Raises RestError 500."""
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    raise RestError(500, _mismatch(value, "java.lang.String", chain))


def known_members(
    value: Mapping[str, Any], entity: str, known: tuple[str, ...], chain: str = ""
) -> None:
    """Raise UnknownMemberError for a member that the entity does not have."""
    before = f"{chain}->" if chain else ""
    for name in value:
        if name not in known:
            names = ", ".join(f'"{member}"' for member in known)
            count = f"{len(known)} known properties" if len(known) > 1 else "one known property"
            raise UnknownMemberError(
                500,
                f'Unrecognized field "{name}" (class {entity}), not marked as ignorable '
                f'({count}: {names}){_at()} (through reference chain: {before}{entity}["{name}"])',
            )


def entity_map(value: Any, entity: str, chain: str = "") -> dict[str, Any]:
    """Give a JSON object that stands for `entity`. Raises RestError 500."""
    if not isinstance(value, dict):
        raise RestError(500, _mismatch(value, entity, chain))
    return value


def wrong_enum(value: Any, enum: str, chain: str) -> str:
    """Give the message for an object or array where one of `enum` must stand."""
    if isinstance(value, dict):
        return _mismatch(value, enum, chain)
    return (
        f"Input mismatch reading Enum `{enum}`: properties-based `@JsonCreator` ([method {enum}#forValue"
        f"(java.lang.String)]) expects String Value, got Array value (`JsonToken.START_ARRAY`){_at()} "
        f"(through reference chain: {chain})"
    )


def entity_list(value: Any, entity: str, chain: str = "") -> list[Any]:
    """Give a JSON array of `entity`. Raises RestError 500."""
    if isinstance(value, list):
        return value
    word, token = _described(value)
    tail = f" (through reference chain: {chain})" if chain else ""
    raise RestError(
        500,
        f"Cannot deserialize value of type `java.util.ArrayList<{entity}>` from {word} value (token "
        f"`JsonToken.{token}`){_at()}{tail}",
    )


def numbers(value: Any) -> Any:
    """Give a value with its numbers as numbers."""
    if isinstance(value, Literal):
        if _is_float(value):
            return float(value)
        # What no Java long holds stays a text, which nobody takes for a number.
        return int(value) if -_LONG <= int(value) < _LONG else str(value)
    if isinstance(value, dict):
        return {name: numbers(item) for name, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    return value


def _text(name: str, value: Any, chain: str) -> str | None:
    step = f'{HASH_MAP}["{name}"]'
    return text_value(value, f"{chain}->{step}" if chain else step)


def _mismatch(value: Any, java_type: str, chain: str) -> str:
    where = _at() + (f" (through reference chain: {chain})" if chain else "")
    is_map, is_text = java_type.startswith(HASH_MAP), _is_text(value)
    if isinstance(value, (dict, list)) or (is_map and not is_text):
        word, token = _described(value)
        return (
            f"Cannot deserialize value of type `{java_type}` from {word} value "
            f"(token `JsonToken.{token}`){where}"
        )
    if value == "":
        target = f"element of `{HASH_MAP}`" if is_map else f"`{java_type}` value"
        return (
            f'Cannot coerce empty String ("") to {target} (but could if coercion was enabled using '
            f"`CoercionConfig`){where}"
        )
    if isinstance(value, Literal):
        kind = "double/Double" if _is_float(value) else "int/Int"
        shown = f"Number value ({value})"
    elif isinstance(value, bool):
        kind, shown = "boolean/Boolean", f"boolean value ({str(value).lower()})"
    else:
        kind, shown = "String", f"String value ('{value}')"
    return (
        f"Cannot construct instance of `{HASH_MAP if is_map else java_type}` (although at least one "
        "Creator exists): no "
        f"{kind}-argument constructor/factory method to deserialize from {shown}{where}"
    )


def _described(value: Any) -> tuple[str, str]:
    """Give Jackson's word and token for a value."""
    if isinstance(value, dict):
        return "Object", "START_OBJECT"
    if isinstance(value, list):
        return "Array", "START_ARRAY"
    if isinstance(value, Literal):
        if _is_float(value):
            return "Floating-point", "VALUE_NUMBER_FLOAT"
        return "Integer", "VALUE_NUMBER_INT"
    if isinstance(value, bool):
        return "Boolean", "VALUE_TRUE" if value else "VALUE_FALSE"
    return "String", "VALUE_STRING"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Literal)


def _is_float(literal: Literal) -> bool:
    return re.search(r"[.eE]", literal) is not None


def _at() -> str:
    return f"\n at {source_at()}"


def _refuse(name: str) -> Any:
    raise RestError(
        500,
        f"Non-standard token '{name}': enable `JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow"
        f"{_at()}",
    )
