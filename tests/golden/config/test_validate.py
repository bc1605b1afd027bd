"""Validation of whole connector configurations against answers of Kafka Connect 4.3.1."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import msgspec
import pytest

from appliance.api.plugin import Plugin
from appliance.config.providers import Providers
from appliance.config.worker import WorkerConfig
from appliance.errors import ConnectError
from appliance.worker.plugins import Plugins
from appliance.worker.validation import ConfigChecker

HERE = Path(__file__).parent
JSON_CONVERTER = "org.apache.kafka.connect.json.JsonConverter"
WORKER = {
    "bootstrap.servers": "b:9092",
    "key.converter": JSON_CONVERTER,
    "value.converter": JSON_CONVERTER,
    "offset.storage.file.filename": "/tmp/offsets",
}


def recorded_plugins() -> Plugins:
    """What the recorded worker had: Kafka's own plugins and Debezium's connectors."""
    modules = [
        *importlib.import_module("appliance.connectors").BUILTIN,
        *(f"appliance.{package}" for package in ("converters", "transforms", "predicates")),
    ]
    plugins: list[Plugin] = [
        plugin for module in modules for plugin in importlib.import_module(module).PLUGINS
    ]
    kept = ("org.apache.kafka.", "io.debezium.")
    return Plugins([plugin for plugin in plugins if plugin.java_class.startswith(kept)])


CHECKER = ConfigChecker(WorkerConfig(WORKER, "standalone"), recorded_plugins(), Providers({}))
LINES = [json.loads(line) for line in (HERE / "validate.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("recorded", LINES, ids=lambda line: line["id"])
def test_answer_is_the_recorded_one_when_a_configuration_is_validated(recorded):
    """Names, values, errors, visibility, groups and counts are Connect's, in Connect's order."""
    if "error" in recorded:
        with pytest.raises(ConnectError) as caught:
            CHECKER.validate(recorded["config"])
        assert str(caught.value) == recorded["error"]
        return

    infos = CHECKER.validate(recorded["config"])
    assert infos.error_count == recorded["error_count"]
    assert infos.groups == recorded["groups"]
    values = [config["value"] for config in infos.configs]
    shown = [
        value and [value["name"], value["value"], value["errors"], value["visible"]]
        for value in values
    ]
    assert shown == recorded["values"]
    if "definitions" in recorded:
        definitions = [config["definition"] for config in msgspec.to_builtins(infos)["configs"]]
        for definition in definitions:
            del definition["documentation"]
        assert definitions == recorded["definitions"]
