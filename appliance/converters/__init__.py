"""Built-in converters, one file each; `PLUGINS` names them without importing them."""

from __future__ import annotations

from appliance.api.plugin import Plugin

_CONNECT = "org.apache.kafka.connect"
_HERE = "appliance.converters"
_BOTH_WAYS = (
    (f"{_CONNECT}.json.JsonConverter", f"{_HERE}.json:JsonConverter"),
    (f"{_CONNECT}.storage.StringConverter", f"{_HERE}.string:StringConverter"),
    (f"{_CONNECT}.converters.ByteArrayConverter", f"{_HERE}.bytearray:ByteArrayConverter"),
    (f"{_CONNECT}.converters.BooleanConverter", f"{_HERE}.primitive:BooleanConverter"),
    (f"{_CONNECT}.converters.ShortConverter", f"{_HERE}.primitive:ShortConverter"),
    (f"{_CONNECT}.converters.IntegerConverter", f"{_HERE}.primitive:IntegerConverter"),
    (f"{_CONNECT}.converters.LongConverter", f"{_HERE}.primitive:LongConverter"),
    (f"{_CONNECT}.converters.FloatConverter", f"{_HERE}.primitive:FloatConverter"),
    (f"{_CONNECT}.converters.DoubleConverter", f"{_HERE}.primitive:DoubleConverter"),
)

PLUGINS: tuple[Plugin, ...] = (
    *(Plugin("converter", java_class, target) for java_class, target in _BOTH_WAYS),
    Plugin("converter", "io.confluent.connect.avro.AvroConverter", f"{_HERE}.avro:AvroConverter"),
    Plugin(
        "converter",
        "io.confluent.connect.json.JsonSchemaConverter",
        f"{_HERE}.registry_json:JsonSchemaConverter",
    ),
    Plugin(
        "converter",
        "io.confluent.connect.protobuf.ProtobufConverter",
        f"{_HERE}.protobuf:ProtobufConverter",
    ),
    *(Plugin("header_converter", java_class, target) for java_class, target in _BOTH_WAYS),
    Plugin(
        "header_converter",
        f"{_CONNECT}.storage.SimpleHeaderConverter",
        f"{_HERE}.simple_header:SimpleHeaderConverter",
    ),
)
