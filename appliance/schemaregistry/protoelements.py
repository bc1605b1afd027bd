"""What a .proto file consists of, each kind in the order in which it is written: Wire's elements."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, NamedTuple

MAX_TAG: Final = 536_870_911


class ProtoError(ValueError):
    """A text is no .proto file; the message says why."""


class Primitive(NamedTuple):
    """A value of an option inside braces or brackets that is no text: a number, truth value or name."""

    kind: str
    value: str


@dataclasses.dataclass
class Option:
    """`kind` is string, boolean, number, enum, map, list, or option for a dotted name's rest."""

    name: str
    kind: str
    value: Any
    is_custom: bool = False


@dataclasses.dataclass
class Field:
    """A field; one of a oneof has no label."""

    label: str | None
    type: str
    name: str
    number: int
    options: list[Option] = dataclasses.field(default_factory=list)
    default: str | None = None
    json_name: str | None = None


@dataclasses.dataclass
class Group:
    """A group with its fields."""

    label: str | None
    name: str
    number: int
    fields: list[Field] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Oneof:
    """Fields of which one is set."""

    name: str
    fields: list[Field] = dataclasses.field(default_factory=list)
    groups: list[Group] = dataclasses.field(default_factory=list)
    options: list[Option] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Ranges:
    """A statement of reserved or extension numbers (one, or first and last) and names."""

    values: list[int | str | tuple[int, int]]
    options: list[Option] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Extend:
    """Fields that are added to another message."""

    name: str
    fields: list[Field] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class EnumValue:
    """A symbol."""

    name: str
    number: int
    options: list[Option] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Enum:
    """An enumeration."""

    name: str
    values: list[EnumValue] = dataclasses.field(default_factory=list)
    options: list[Option] = dataclasses.field(default_factory=list)
    reserved: list[Ranges] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Message:
    """A message; `types` are the messages and enumerations inside it."""

    name: str
    fields: list[Field] = dataclasses.field(default_factory=list)
    oneofs: list[Oneof] = dataclasses.field(default_factory=list)
    groups: list[Group] = dataclasses.field(default_factory=list)
    types: list[Message | Enum] = dataclasses.field(default_factory=list)
    options: list[Option] = dataclasses.field(default_factory=list)
    reserved: list[Ranges] = dataclasses.field(default_factory=list)
    extensions: list[Ranges] = dataclasses.field(default_factory=list)
    extends: list[Extend] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Rpc:
    """A method of a service."""

    name: str
    request: str
    response: str
    takes_stream: bool = False
    gives_stream: bool = False
    options: list[Option] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Service:
    """A service."""

    name: str
    rpcs: list[Rpc] = dataclasses.field(default_factory=list)
    options: list[Option] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class File:
    """A file; `types` are its messages and enumerations."""

    syntax: str | None = None
    package: str | None = None
    imports: list[str] = dataclasses.field(default_factory=list)
    public_imports: list[str] = dataclasses.field(default_factory=list)
    weak_imports: list[str] = dataclasses.field(default_factory=list)
    types: list[Message | Enum] = dataclasses.field(default_factory=list)
    services: list[Service] = dataclasses.field(default_factory=list)
    extends: list[Extend] = dataclasses.field(default_factory=list)
    options: list[Option] = dataclasses.field(default_factory=list)


def is_map_entry(message: Message) -> bool:
    """Whether a message stands for the pairs of a map."""
    return any(o.name == "map_entry" and o.value == "true" for o in message.options)
