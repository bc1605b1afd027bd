"""Payloads for people: keys, values and headers of records as text, by whatever converter fits.

`auto` tries the connector's own converter, then the wire format of the registry, JSON, text, and shows hex
when nothing fits. Blocks (a registry may be asked); not thread-safe.
"""

from __future__ import annotations

import base64
import importlib
import json
from collections.abc import Mapping
from typing import Any, Final

from appliance.api import Converter, RawHeaders
from appliance.errors import ConnectError, DataError
from appliance.schemaregistry.wire import HEADERS, head_size, reference_of
from appliance.worker.plugins import Plugins

_CONNECT: Final = "org.apache.kafka.connect"
NAMED: Final[Mapping[str, str]] = {
    "avro": "io.confluent.connect.avro.AvroConverter",
    "protobuf": "io.confluent.connect.protobuf.ProtobufConverter",
    "jsonschema": "io.confluent.connect.json.JsonSchemaConverter",
    "connect-json": f"{_CONNECT}.json.JsonConverter",
    "string": f"{_CONNECT}.storage.StringConverter",
    "short": f"{_CONNECT}.converters.ShortConverter",
    "integer": f"{_CONNECT}.converters.IntegerConverter",
    "long": f"{_CONNECT}.converters.LongConverter",
    "float": f"{_CONNECT}.converters.FloatConverter",
    "double": f"{_CONNECT}.converters.DoubleConverter",
    "boolean": f"{_CONNECT}.converters.BooleanConverter",
}
FORMS: Final = ("auto", "converter", *NAMED, "json", "text", "hex")
LONGEST: Final = 64 << 10
_REGISTRY: Final = "schema.registry.url"


class Payloads:
    """Reads the payloads of one topic as a connector would; `config` is its resolved configuration."""

    def __init__(self, plugins: Plugins, config: Mapping[str, str]) -> None:
        self._plugins = plugins
        self._config = config
        self._made: dict[tuple[str, bool], Converter | ConnectError] = {}

    def show(
        self,
        topic: str,
        payload: bytes | None,
        form: str,
        *,
        is_key: bool,
        headers: RawHeaders = (),
        whole: bool = False,
    ) -> dict[str, Any]:
        """Give `as`, `text`, `schema_id`, `decode_error`, `bytes_b64`, `size` and `cut` of a payload.

        `headers` are those of its record: they may say which schema it has. Unless `whole`, no more than
        LONGEST bytes are in `bytes_b64`, and `cut` says that there are more.
        """
        if payload is None:
            return {"as": "null", "text": None, "size": 0}
        named = schema_named(payload, headers, is_key=is_key)
        found: dict[str, Any] = {"size": len(payload), "schema_id": named}
        found["cut"] = not whole and len(payload) > LONGEST
        found["bytes_b64"] = base64.b64encode(payload if whole else payload[:LONGEST]).decode()
        tried = [form]
        if form == "auto":
            tried = self._tried(has_schema=named is not None, is_key=is_key)
        errors = []
        for name in tried:
            try:
                text = self._text(topic, payload, name, is_key=is_key, headers=headers)
                found["as"], found["text"] = name, text
                break
            except (ConnectError, ValueError) as error:
                errors.append(f"{name}: {error}")
        else:
            found["as"], found["text"] = "hex", dump(payload)
        if errors:
            found["decode_error"] = errors[0]
        return found

    def decodes(
        self, topic: str, payload: bytes | None, *, is_key: bool, headers: RawHeaders = ()
    ) -> str | None:
        """Say why the connector's own converter does not read the payload, None when it does."""
        try:
            self._converter("converter", is_key=is_key).to_connect_data(topic, payload, headers)
        except (ConnectError, ValueError) as error:
            cause = error.__cause__
            return f"{error}{f' {cause}' if cause is not None else ''}"
        return None

    def _tried(self, *, has_schema: bool, is_key: bool) -> list[str]:
        side = "key" if is_key else "value"
        forms = ["converter"] if self._config.get(f"{side}.converter") else []
        if has_schema and self._registry(is_key=is_key):
            forms += ["avro", "protobuf", "jsonschema"]
        return [*forms, "json", "text"]

    def _text(
        self, topic: str, payload: bytes, form: str, *, is_key: bool, headers: RawHeaders
    ) -> str:
        if form == "hex":
            return dump(payload)
        if form == "text":
            text = payload.decode()
            if any(ord(char) < 32 and char not in "\t\r\n" for char in text):
                raise ValueError("holds control characters")
            return text
        if form == "json":
            return pretty(json.loads(payload))
        converter = self._converter(form, is_key=is_key)
        schema, value = converter.to_connect_data(topic, payload, headers)
        if isinstance(value, str):
            return value
        if isinstance(value, bytes):
            raise ConnectError("plain bytes")
        return pretty(json.loads(self._as_json(topic, schema, value)))

    def _as_json(self, topic: str, schema: Any, value: Any) -> bytes:
        writer = self._made.get(("writer", False))
        if writer is None:
            writer = self._load(NAMED["connect-json"])
            writer.configure({"schemas.enable": "false"}, is_key=False)
            self._made["writer", False] = writer
        assert isinstance(writer, Converter)  # noqa: S101 - narrows for mypy
        return writer.from_connect_data(topic, schema, value) or b"null"

    def _converter(self, form: str, *, is_key: bool) -> Converter:
        known = self._made.get((form, is_key))
        if known is None:
            try:
                known = self._make(form, is_key=is_key)
            except ConnectError as error:
                known = error
            self._made[form, is_key] = known
        if isinstance(known, ConnectError):
            raise known
        return known

    def _make(self, form: str, *, is_key: bool) -> Converter:
        prefix = f"{'key' if is_key else 'value'}.converter"
        named = self._config.get(prefix) or NAMED["connect-json"]
        if form != "converter":
            named = NAMED.get(form, form)
        options = {
            key.removeprefix(f"{prefix}."): value
            for key, value in self._config.items()
            if key.startswith(f"{prefix}.")
        }
        registry = self._registry(is_key=is_key)
        if registry and _REGISTRY not in options:
            options[_REGISTRY] = registry
        converter = self._load(named)
        converter.configure(options, is_key=is_key)
        return converter

    def _load(self, named: str) -> Converter:
        plugin = self._plugins.find("converter", named)
        if not plugin.target.startswith("appliance."):
            raise ConnectError(f"{named} is loaded by its tasks alone, not by the console")
        module, _, name = plugin.target.partition(":")
        made: Converter = getattr(importlib.import_module(module), name)()
        return made

    def _registry(self, *, is_key: bool) -> str | None:
        sides = ("key", "value") if is_key else ("value", "key")
        urls = (self._config.get(f"{side}.converter.{_REGISTRY}") for side in sides)
        return next((url for url in urls if url), None)


def schema_named(payload: bytes, headers: RawHeaders, *, is_key: bool) -> int | str | None:
    """Give the id or GUID of the schema that a record names in the registry's wire format, if any."""
    named = dict(headers).get(HEADERS["key" if is_key else "value"])
    for data in (named, payload):
        if data is not None:
            try:
                return reference_of(data[: head_size(data)])
            except DataError:
                continue
    return None


def pretty(value: Any) -> str:
    """Give JSON on several lines."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def dump(payload: bytes, most: int = 2048) -> str:
    """Give bytes in hex with their letters beside, 16 a line."""
    lines = []
    for at in range(0, min(len(payload), most), 16):
        row = payload[at : at + 16]
        letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        lines.append(f"{at:06x}  {row.hex(' '):<47}  {letters}")
    if len(payload) > most:
        lines.append(f"and {len(payload) - most} bytes more")
    return "\n".join(lines)
