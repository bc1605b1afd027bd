"""Built-in transforms; `PLUGINS` names them without importing them."""

from __future__ import annotations

from appliance.api.plugin import Plugin

DEBEZIUM_VERSION = "3.6.1.Final"
_CONNECT = "org.apache.kafka.connect.transforms"
_HERE = "appliance.transforms"


def _both(name: str) -> tuple[Plugin, Plugin]:
    module = f"{_HERE}.{name.lower()}"
    return (
        Plugin("transformation", f"{_CONNECT}.{name}$Key", f"{module}:Key"),
        Plugin("transformation", f"{_CONNECT}.{name}$Value", f"{module}:Value"),
    )


def _one(name: str, module: str) -> Plugin:
    return Plugin("transformation", f"{_CONNECT}.{name}", f"{_HERE}.{module}:{name}")


def _debezium(name: str, module: str) -> Plugin:
    return Plugin(
        "transformation",
        f"io.debezium.transforms.{name}",
        f"{_HERE}.debezium.{module}:{name.rpartition('.')[2]}",
        version=DEBEZIUM_VERSION,
    )


def _other(java_class: str, target: str) -> Plugin:
    return Plugin("transformation", java_class, f"{_HERE}.{target}")


_CONFLUENT = "io.confluent.connect.transforms"
_AIVEN = "io.aiven.kafka.connect.transforms"

PLUGINS: tuple[Plugin, ...] = (
    *_both("Cast"),
    _one("DropHeaders", "headers"),
    *_both("ExtractField"),
    _one("Filter", "filter"),
    *_both("Flatten"),
    *_both("HeaderFrom"),
    *_both("HoistField"),
    *_both("InsertField"),
    _one("InsertHeader", "headers"),
    *_both("MaskField"),
    _one("RegexRouter", "routers"),
    *_both("ReplaceField"),
    *_both("SetSchemaMetadata"),
    *_both("TimestampConverter"),
    _one("TimestampRouter", "routers"),
    _one("ValueToKey", "valuetokey"),
    _debezium("ByLogicalTableRouter", "logical"),
    _debezium("ContentBasedRouter", "scripting"),
    _debezium("ExtractNewRecordState", "unwrap"),
    _debezium("Filter", "scripting"),
    _debezium("outbox.EventRouter", "outbox"),
    _debezium("ExtractChangedRecordState", "changes"),
    _debezium("HeaderToValue", "headertovalue"),
    _debezium("SchemaChangeEventFilter", "schemachanges"),
    _debezium("TimezoneConverter", "timezones"),
    _debezium("partitions.PartitionRouting", "partitions"),
    _debezium("SwapGeometryCoordinates", "geometries"),
    _debezium("VectorToJsonConverter", "vectors"),
    _other(f"{_CONFLUENT}.ExtractTopic$Key", "routing_by_field:ConfluentTopicOfKey"),
    _other(f"{_CONFLUENT}.ExtractTopic$Value", "routing_by_field:ConfluentTopicOfValue"),
    _other(f"{_CONFLUENT}.Drop$Key", "confluent:DropOfKey"),
    _other(f"{_CONFLUENT}.Drop$Value", "confluent:DropOfValue"),
    _other(f"{_CONFLUENT}.ExtractTopic$Header", "confluent:TopicOfHeader"),
    _other(f"{_CONFLUENT}.Filter$Key", "confluent:FilterOfKey"),
    _other(f"{_CONFLUENT}.Filter$Value", "confluent:FilterOfValue"),
    _other(f"{_CONFLUENT}.MessageTimestampRouter", "confluent:MessageTimestampRouter"),
    _other(f"{_AIVEN}.CaseTransform$Key", "aiven:CaseTransformOfKey"),
    _other(f"{_AIVEN}.CaseTransform$Value", "aiven:CaseTransformOfValue"),
    _other(f"{_AIVEN}.ConcatFields$Key", "aiven:ConcatFieldsOfKey"),
    _other(f"{_AIVEN}.ConcatFields$Value", "aiven:ConcatFieldsOfValue"),
    _other(f"{_AIVEN}.FilterByFieldValue$Key", "aiven:FilterByFieldValueOfKey"),
    _other(f"{_AIVEN}.FilterByFieldValue$Value", "aiven:FilterByFieldValueOfValue"),
    _other(f"{_AIVEN}.KeyToValue", "keytovalue:KeyToValue"),
    _other(f"{_CONFLUENT}.TombstoneHandler", "tombstones:TombstoneHandler"),
    _other(f"{_AIVEN}.ExtractTopic$Key", "routing_by_field:AivenTopicOfKey"),
    _other(f"{_AIVEN}.ExtractTopic$Value", "routing_by_field:AivenTopicOfValue"),
    _other(f"{_AIVEN}.ExtractTimestamp$Key", "routing_by_field:ExtractTimestampOfKey"),
    _other(f"{_AIVEN}.ExtractTimestamp$Value", "routing_by_field:ExtractTimestampOfValue"),
    _other(f"{_AIVEN}.Hash$Key", "routing_by_field:HashOfKey"),
    _other(f"{_AIVEN}.Hash$Value", "routing_by_field:HashOfValue"),
    _other(f"{_AIVEN}.TombstoneHandler", "tombstones:AivenTombstoneHandler"),
    _other(f"{_AIVEN}.MakeTombstone", "tombstones:MakeTombstone"),
)
