"""Connect's data model: schemas, structs, logical types, headers and single-record views."""

from appliance.data.headers import Header, Headers
from appliance.data.logical import (
    DATE_NAME,
    DECIMAL_NAME,
    TIME_NAME,
    TIMESTAMP_NAME,
    Float32,
    Instant,
    Int8,
    Int16,
    Int32,
)
from appliance.data.record import SinkRecord, SourceRecord
from appliance.data.schema import Field, Schema, SchemaBuilder, Type
from appliance.data.struct import Struct

__all__ = [
    "DATE_NAME",
    "DECIMAL_NAME",
    "TIMESTAMP_NAME",
    "TIME_NAME",
    "Field",
    "Float32",
    "Header",
    "Headers",
    "Instant",
    "Int8",
    "Int16",
    "Int32",
    "Schema",
    "SchemaBuilder",
    "SinkRecord",
    "SourceRecord",
    "Struct",
    "Type",
]
