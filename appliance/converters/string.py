"""StringConverter: the Java text of a value, in one character set.

Semantics: Kafka Connect 4.3.1 org.apache.kafka.connect.storage.StringConverter.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from appliance.api import Encoder, Layout, Run
from appliance.config import ConfigDef, ConfigType, Importance, Width
from appliance.converters.base import CONVERTER_TYPE, DataAndHeaderConverter, is_null, run_of
from appliance.data import Schema
from appliance.data.schema import OPTIONAL_STRING_SCHEMA
from appliance.data.struct import wrap
from appliance.data.text import java_text
from appliance.errors import SerializationError

_JAVA_NAMES: Final = {
    "unicodebig": "utf-16",
    "unicodelittle": "utf-16-le",
    "utf-32": "utf-32-be",
    "utf_32": "utf-32-be",
    "gbk": "gbk-java",
    "cp936": "gbk-java",
    "ms936": "gbk-windows",
    "x-mswin-936": "gbk-windows",
}


class StringConverter(DataAndHeaderConverter):
    """Text to and from payloads; other values are written as text too."""

    config_def: ClassVar[ConfigDef] = ConfigDef([CONVERTER_TYPE]).define(
        "converter.encoding",
        ConfigType.STRING,
        "UTF-8",
        importance=Importance.HIGH,
        doc="The character set of the text, by any name that Java knows (`UTF-8`, `ISO-8859-1`).",
        width=Width.MEDIUM,
        display_name="Encoding",
    )

    def __init__(self) -> None:
        """Start with UTF-8."""
        self._encode, self._decode = _codec("UTF-8")

    def configure(self, config: Mapping[str, str], *, is_key: bool = False) -> None:
        """Take the options. Raises ConfigError, SerializationError for an unknown character set."""
        parsed = self.config_def.parse({**config, "converter.type": "key" if is_key else "value"})
        self._encode, self._decode = _codec(parsed["converter.encoding"])

    def encoder(self, topic: str, schema: Schema | None, layout: Layout | None = None) -> Encoder:
        """Give the function that writes rows as text."""
        encode = self._encode

        def encode_rows(rows: Sequence[Any], _constants: Sequence[Any] = ()) -> list[bytes | None]:
            return [
                encode(row)
                if type(row) is str
                else None
                if is_null(row)
                else encode(java_text(wrap(schema, row), schema))
                for row in (
                    [layout.assemble(r, _constants) if not is_null(r) else r for r in rows]
                    if layout
                    else rows
                )
            ]

        return encode_rows

    def decode(self, topic: str, payloads: Sequence[bytes | None]) -> list[Run]:
        """Give the text of the payloads; what is malformed becomes U+FFFD."""
        decode = self._decode
        return run_of(OPTIONAL_STRING_SCHEMA, [None if p is None else decode(p) for p in payloads])


def _codec(name: str) -> tuple[Any, Any]:
    known = _JAVA_NAMES.get((name or "").lower(), name)
    if known in _EUROS:
        return (
            lambda text: text.encode("gbk", known),
            lambda payload: payload.decode("gbk", known),
        )
    try:
        if not _CHARSET_NAME.fullmatch(known):
            raise LookupError(name)
        found = codecs.lookup(known).name
        "".encode(found)
    except (LookupError, TypeError, ValueError) as error:
        raise SerializationError(f"Unsupported encoding {name}") from error
    if found == "utf-8":
        return _encode_utf8, decode_utf8
    if found == "utf-16":
        return _encode_utf16, _decode_utf16
    if found.startswith(("utf-16", "utf-32")):
        return (lambda text: _LONE_SURROGATE.sub("\ufffd", text).encode(found)), _decoder(found)
    return (lambda text: text.encode(found, "replace")), _decoder(found)


def _decoder(name: str) -> Any:
    return lambda payload: payload.decode(name, "replace")


def _encode_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


_CHARSET_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+.:_-]*")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_SURROGATE: Final = re.compile(rb"\xed[\xa0-\xbf][\x80-\xbf]")


def decode_utf8(payload: bytes) -> str:
    """Decode UTF-8 with Java's replacements: an encoded surrogate counts as one malformed character."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return _SURROGATE.sub("\ufffd".encode(), payload).decode("utf-8", "replace")


def _encode_utf16(text: str) -> bytes:
    if not text:
        return b""
    return codecs.BOM_UTF16_BE + _LONE_SURROGATE.sub("\ufffd", text).encode("utf-16-be")


def _decode_utf16(payload: bytes) -> str:
    if payload[:2] == codecs.BOM_UTF16_LE:
        return payload[2:].decode("utf-16-le", "replace")
    return payload.removeprefix(codecs.BOM_UTF16_BE).decode("utf-16-be", "replace")


_EUROS: Final = {"gbk-java": b"\xa2\xe3", "gbk-windows": b"\x80"}
"""By form of GBK: the euro sign, which Python's has not."""


def _with_euro(euro: bytes) -> Callable[[UnicodeError], tuple[str | bytes, int]]:
    """Give the handler of errors that knows the euro sign and replaces what else is unknown."""

    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        if isinstance(error, UnicodeEncodeError):
            return euro if error.object[error.start] == "€" else b"?", error.start + 1
        if isinstance(error, UnicodeDecodeError):
            if error.object[error.start : error.start + len(euro)] == euro:
                return "€", error.start + len(euro)
            return "\ufffd", error.end
        raise error

    return handle


for _name, _euro in _EUROS.items():
    codecs.register_error(_name, _with_euro(_euro))
