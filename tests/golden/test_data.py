"""The data layer gives what Kafka Connect's classes gave in the recordings."""

from __future__ import annotations

import collections
import json
import pathlib
import tomllib
from typing import Any

import pytest

from appliance import converters, predicates, transforms
from appliance.api import Batch
from appliance.config.types import text_of
from appliance.data import DECIMAL_NAME, Float32, Int8, Int16, Int32, Schema, Type, values
from appliance.data.infer import infer_schema
from appliance.data.text import to_float32
from appliance.errors import java_class_of
from tests.golden import forms, model
from tests.golden.pipeline import run_chain, run_transform

DIFFERENCES = {
    case: entry["reason"]
    for entry in tomllib.loads(
        (pathlib.Path(__file__).parent / "differences.toml").read_text(encoding="utf-8")
    )["difference"]
    for case in entry["cases"]
}
PLUGINS: dict[Any, Any] = {
    (plugin.kind, plugin.java_class): plugin
    for plugin in (*converters.PLUGINS, *transforms.PLUGINS, *predicates.PLUGINS)
}


class Raised(Exception):
    """Carries the phase in which the case failed."""

    def __init__(self, phase: str, error: Exception) -> None:
        super().__init__(phase, error)
        self.phase, self.error = phase, error


def make(kind: str, case: dict[str, Any], **options: Any) -> Any:
    plugin = PLUGINS[kind, case["class"]].load()()
    try:
        plugin.configure(dict(case.get("config", {})), **options)
    except Exception as error:
        raise Raised("configure", error) from error
    return plugin


def converter_from(case: dict[str, Any]) -> Any:
    converter = make("converter", case, is_key=case.get("is_key", False))
    schema = forms.read_schema(case.get("schema"))
    return {
        "bytes": converter.from_connect_data(
            "t", schema, forms.read_value(case.get("value"), schema)
        )
    }


def converter_to(case: dict[str, Any]) -> Any:
    converter = make("converter", case, is_key=case.get("is_key", False))
    schema, value = converter.to_connect_data("t", forms.read_bytes(case["bytes"]))
    return {"schema": schema, "value": value}


def header_from(case: dict[str, Any]) -> Any:
    converter = make("header_converter", case)
    schema = forms.read_schema(case.get("schema"))
    value = forms.read_value(case.get("value"), schema)
    return {"bytes": converter.from_connect_header("t", "h", schema, value)}


def header_to(case: dict[str, Any]) -> Any:
    converter = make("header_converter", case)
    schema, value = converter.to_connect_header("t", "h", forms.read_bytes(case["bytes"]))
    return {"schema": schema, "value": value}


def json_schema(case: dict[str, Any]) -> Any:
    converter = make("converter", case)
    if "json" not in case:
        return {"json": converter.schema_json(forms.read_schema(case["schema"]))}
    return {"schema": converter.schema_of(case["json"])}


def smt(case: dict[str, Any]) -> Any:
    transform = make("transformation", case)
    if "records" in case:
        return {
            "results": [
                attempt(lambda r=r: {"record": run_transform(transform, forms.read_record(r))})
                for r in case["records"]
            ]
        }
    if "record" not in case:
        return {"configured": True}
    return {"record": run_transform(transform, forms.read_record(case["record"]))}


def predicate(case: dict[str, Any]) -> Any:
    found = make("predicate", case)
    record = forms.read_record(case["record"])
    batch = Batch.of_record(record)
    mask = found.mask(batch)
    result = found.test(record)
    assert mask in (result, [result], None)
    return {"result": result}


def chain(case: dict[str, Any]) -> Any:
    return run_chain(case, make)


def values_function(case: dict[str, Any]) -> Any:
    schema = forms.read_schema(case.get("schema"))
    value = forms.read_value(case.get("value"), schema)
    name = case["fn"]
    if name == "parseString":
        parsed_schema, parsed = values.parse_string(case["text"])
        return {"schema": parsed_schema, "value": parsed}
    if name == "inferSchema":
        return {"schema": infer_schema(value)}
    if name == "convertToString":
        return {"result": values.format_value(schema, value)}
    if name == "convertToDecimal":
        return {"result": values.to_decimal(schema, value, decimal_of_scale(case.get("scale", 0)))}
    return {"result": CONVERSIONS[name](schema, value)}


def decimal_of_scale(scale: int) -> Schema:
    return Schema(Type.BYTES, name=DECIMAL_NAME, version=1, parameters={"scale": str(scale)})


def width(bits: int, kind: Any) -> Any:
    return lambda schema, value: (
        None if value is None else kind(values.to_integer(schema, value, bits))
    )


def to_float(schema: Any, value: Any) -> Any:
    double = values.to_double(schema, value)
    return None if double is None else Float32(to_float32(double))


CONVERSIONS: dict[str, Any] = {
    "convertToBoolean": values.to_boolean,
    "convertToByte": width(8, Int8),
    "convertToShort": width(16, Int16),
    "convertToInteger": width(32, Int32),
    "convertToLong": width(64, int),
    "convertToFloat": to_float,
    "convertToDouble": values.to_double,
    "convertToList": lambda s, v: values.to_container(s, v, Type.ARRAY),
    "convertToMap": lambda s, v: values.to_container(s, v, Type.MAP),
    "convertToStruct": lambda s, v: values.to_container(s, v, Type.STRUCT),
    "convertToTime": lambda s, v: values.to_instant(s, v, values.TIME_SCHEMA),
    "convertToDate": lambda s, v: values.to_instant(s, v, values.DATE_SCHEMA),
    "convertToTimestamp": lambda s, v: values.to_instant(s, v, values.TIMESTAMP_SCHEMA),
}


def config_def(case: dict[str, Any]) -> Any:
    definition = plugin_class(case).config_def
    return {
        "groups": definition.groups,
        "keys": [key_form(key) for key in definition.keys.values()],
    }


def plugin_class(case: dict[str, Any]) -> Any:
    return next(p for (_, name), p in PLUGINS.items() if name == case["class"]).load()


def key_form(key: Any) -> dict[str, Any]:
    return {
        "name": key.name,
        "type": key.type.value,
        "required": key.required,
        "default_text": None if key.required else text_of(key.default, key.type),
        "importance": key.importance.value,
        "group": key.group,
        "order": key.order,
        "width": key.width.value,
        "display_name": key.label,
        "dependents": list(key.dependents),
        "validator": None if key.validator is None else str(key.validator),
    }


def same_keys(expected: Any, found: Any) -> bool:
    if [k["name"] for k in expected] != [k["name"] for k in found]:
        return False
    return all(
        wanted.get(name, member) == member
        for wanted, key in zip(expected, found, strict=True)
        for name, member in key.items()
        if not (name == "default_text" and wanted["required"])
        and not (name == "validator" and "$$Lambda" in str(wanted[name]))
    )


def config_validate(case: dict[str, Any]) -> Any:
    definition = plugin_class(case).config_def
    values = definition.validate(case["config"])
    return {
        "error_count": sum(len(value.errors) for value in values),
        "values": {
            v.name: {
                "name": v.name,
                "value": text_of(v.value, definition.keys[v.name].type),
                "recommended_values": v.recommended_values,
                "errors": v.errors,
                "visible": v.visible,
            }
            for v in values
        },
    }


def same_values(expected: Any, found: Any) -> bool:
    return {v["name"] for v in expected} == found.keys() and all(
        {k: m for k, m in v.items() if k != "errors"}
        == {k: m for k, m in found[v["name"]].items() if k != "errors"}
        and len(v["errors"]) == len(found[v["name"]]["errors"])
        and all(map(same_text, v["errors"], found[v["name"]]["errors"]))
        for v in expected
    )


OPERATIONS = {
    "config.def": config_def,
    "config.validate": config_validate,
    "model": lambda case: model.FUNCTIONS[case["fn"]](case),
    "values": values_function,
    "converter.from": converter_from,
    "converter.to": converter_to,
    "header.from": header_from,
    "header.to": header_to,
    "json.schema": json_schema,
    "smt": smt,
    "predicate": predicate,
    "chain": chain,
}


def attempt(operation: Any) -> Any:
    try:
        return operation()
    except Raised as raised:
        return {"error": raised}
    except Exception as error:
        return {"error": Raised("call", error)}


def same(expected: Any, actual: Any) -> bool:
    """Whether a result is the recorded one."""
    if "error" in expected or "error" in actual:
        return (
            "error" in expected
            and "error" in actual
            and same_error(expected["error"], actual["error"])
        )
    if expected == {"result": None} and "value" in actual:
        return actual["schema"] is None and actual["value"] is None
    return all(same_member(name, form, actual) for name, form in expected.items())


def same_member(name: str, form: Any, actual: Any) -> bool:
    found = actual[name]
    if name == "bytes":
        return bool(forms.read_bytes(form) == found) or same_up_to_order(
            forms.read_bytes(form), found, actual
        )
    if name == "schema":
        return bool(forms.read_schema(form) == found)
    if name == "keys":
        return same_keys(form, found)
    if name == "values":
        return same_values(form, found)
    if name in ("value", "result"):
        return forms.same_value(form, found, actual.get("schema_of_value", actual.get("schema")))
    if name == "record":
        return same_record(form, found)
    if name == "results":
        return len(form) == len(found) and all(map(same, form, found))
    return bool(form == found)


def same_up_to_order(expected: bytes | None, found: bytes | None, actual: Any) -> bool:
    """Schemaless maps are written in the order of Java's hash map; ours keep the order of the input."""
    if (
        "record" not in actual
        or actual["record"] is None
        or actual["record"].value_schema is not None
    ):
        return False
    try:
        return bool(json.loads(expected or b"") == json.loads(found or b""))
    except ValueError:
        return sorted(expected or b"") == sorted(found or b"")


def same_error(expected: Any, raised: Raised) -> bool:
    """The class and text of Connect's own errors; of Java's own only that there is an error."""
    if expected["phase"] != raised.phase:
        return False
    error: BaseException | None = raised.error
    for link in expected["chain"]:
        if not link["class"].startswith(
            ("org.apache.kafka.connect", "org.apache.kafka.common.config")
        ):
            return error is not None or link is not expected["chain"][0]
        if (
            error is None
            or java_class_of(error) != link["class"]
            or not same_text(link["message"], str(error))
        ):
            return False
        error = error.__cause__
    return True


def same_text(expected: str, found: str) -> bool:
    cut = min(
        (expected.find(mark) for mark in ("@HASH", "Invalid regex: ") if mark in expected),
        default=-1,
    )
    expected = expected.replace("java.util.LinkedHashMap", "java.util.HashMap")
    return expected == found or (cut >= 0 and expected[:cut] == found[:cut])


_RECORD = {"topic", "partition", "timestamp", "timestamp_type", "original_topic"}
_RENAMED = {
    "offset": "kafka_offset",
    "original_partition": "original_kafka_partition",
    "original_offset": "original_kafka_offset",
}


def same_record(form: Any, record: Any) -> bool:
    if form is None or record is None:
        return form is None and record is None
    for part in ("key", "value"):
        schema = getattr(record, f"{part}_schema")
        if forms.read_schema(form[f"{part}_schema"]) != schema:
            return False
        if not forms.same_value(form[part], getattr(record, part), schema):
            return False
    if any(form[name] != getattr(record, name) for name in _RECORD & form.keys()):
        return False
    if any(form[name] != getattr(record, own) for name, own in _RENAMED.items() if name in form):
        return False
    return len(form["headers"]) == len(record.headers) and all(
        name == header.key
        and forms.read_schema(schema) == header.schema
        and forms.same_value(value, header.value, header.schema)
        for (name, schema, value), header in zip(form["headers"], record.headers, strict=True)
    )


def without_order(form: Any) -> Any:
    """Mark every map as one whose order has no meaning: the peer's hash maps pass through a chain."""
    if isinstance(form, list):
        return [without_order(item) for item in form]
    if not isinstance(form, dict):
        return form
    found = {name: without_order(member) for name, member in form.items()}
    return {**found, "order": "hash"} if "map" in found else found


def passes(case: dict[str, Any]) -> bool:
    try:
        actual = attempt(lambda: OPERATIONS[case["op"]](case))
        if case["op"] == "chain":
            case = without_order(case)
        wanted = [case[k] for k in ("expect", "expect_java21", "expect_java25") if k in case]
        return any(same(expected, actual) for expected in wanted)
    except Exception as error:
        print(case["id"], "comparison failed", repr(error)[:300])
        return False


GROUPS: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
for found in forms.lines("*.jsonl*"):
    if found["op"] in OPERATIONS:
        GROUPS[found["group"]].append(found)


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_results_are_those_of_the_recording(group: str) -> None:
    """Every recorded case of the group gives the recorded result, but for the listed differences."""
    cases = GROUPS[group]

    failing = {case["id"] for case in cases if not passes(case)}

    assert failing == {case["id"] for case in cases if case["id"] in DIFFERENCES}
