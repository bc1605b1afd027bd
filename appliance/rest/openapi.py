"""The OpenAPI document of everything a worker serves, made from its routes and entities.

Answers are described by the structs that are encoded, paths and verbs by the routes; what neither can say
(query parameters, bodies, one sentence) stands in `DESCRIBED`. A route without an entry there is described by
its handler's docstring.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

import appliance
from appliance.herder.entities import (
    ConnectorInfo,
    ConnectorOffsets,
    ConnectorStateInfo,
    Message,
    TaskInfo,
    TaskState,
)
from appliance.rest.console.described import CONSOLE, LEVEL, SCOPE
from appliance.rest.described import CONFIG, COUNT, FLAG, OFFSETS, TEXT, Described, Schema
from appliance.rest.routing import Route
from appliance.worker.validation import ConfigInfos

_CREATE: Final[Schema] = {
    "type": "object",
    "required": ["name", "config"],
    "additionalProperties": False,
    "properties": {
        "name": TEXT,
        "config": CONFIG,
        "initial_state": {"enum": ["RUNNING", "PAUSED", "STOPPED"]},
    },
}
_ERROR: Final[Schema] = {
    "type": "object",
    "properties": {"error_code": {"type": "integer"}, "message": TEXT},
}


_ONE: Final = "/connectors/{name}"
_TASK: Final = f"{_ONE}/tasks/{{task}}"

DESCRIBED: Final[Mapping[tuple[str, str], Described]] = {
    ("GET", "/"): Described("Version and Kafka cluster of this worker.", dict[str, str | None]),
    ("GET", "/health"): Described("Whether this worker is ready.", dict[str, str]),
    ("GET", "/metrics"): Described(
        "Metrics of this worker in Prometheus' text form.", str, media="text/plain"
    ),
    ("GET", "/connectors"): Described(
        "Names of all connectors; with `expand` an object with their status or info.",
        list[str] | dict[str, Any],
        query={"expand": {"type": "array", "items": {"enum": ["status", "info"]}}},
    ),
    ("POST", "/connectors"): Described("Create a connector.", ConnectorInfo, _CREATE, status=201),
    ("GET", _ONE): Described("A connector, its configuration and tasks.", ConnectorInfo),
    ("DELETE", _ONE): Described("Delete a connector; its offsets stay.", status=204),
    ("GET", f"{_ONE}/config"): Described("A connector's configuration.", dict[str, str | None]),
    ("PUT", f"{_ONE}/config"): Described(
        "Create a connector or replace its configuration.", ConnectorInfo, CONFIG
    ),
    ("PATCH", f"{_ONE}/config"): Described(
        "Change some options; null removes one.", ConnectorInfo, CONFIG
    ),
    ("GET", f"{_ONE}/status"): Described(
        "The states of a connector and its tasks.", ConnectorStateInfo
    ),
    ("GET", f"{_ONE}/tasks"): Described(
        "A connector's tasks with their configurations.", list[TaskInfo]
    ),
    ("POST", f"{_ONE}/tasks"): Described(
        "Between workers, signed: task configurations.", None, {"type": "array"}
    ),
    ("PUT", f"{_ONE}/fence"): Described("Between workers, signed: fence out old producers."),
    ("GET", f"{_TASK}/status"): Described("The state of a task.", TaskState),
    ("POST", f"{_TASK}/restart"): Described("Restart a task.", status=204),
    ("POST", f"{_ONE}/restart"): Described(
        "Restart a connector, and what else is asked for of its tasks.",
        ConnectorStateInfo,
        query={"includeTasks": FLAG, "onlyFailed": FLAG},
        status=202,
    ),
    ("PUT", f"{_ONE}/pause"): Described("Pause a connector and its tasks.", status=202),
    ("PUT", f"{_ONE}/resume"): Described("Resume a paused or stopped connector.", status=202),
    ("PUT", f"{_ONE}/stop"): Described("Stop a connector: its tasks are given up.", status=204),
    ("GET", f"{_ONE}/topics"): Described(
        "The topics that a connector has used.", dict[str, dict[str, list[str]]]
    ),
    ("PUT", f"{_ONE}/topics/reset"): Described("Forget the topics used so far."),
    ("GET", f"{_ONE}/offsets"): Described("A connector's offsets.", ConnectorOffsets),
    ("PATCH", f"{_ONE}/offsets"): Described(
        "Alter offsets of a stopped connector.", Message, OFFSETS
    ),
    ("DELETE", f"{_ONE}/offsets"): Described("Reset offsets of a stopped connector.", Message),
    ("GET", "/connector-plugins"): Described(
        "The plugins of this worker.",
        list[dict[str, str]],
        query={"connectorsOnly": FLAG},
    ),
    ("GET", "/connector-plugins/{plugin}/config"): Described(
        "The options of a plugin.", list[dict[str, Any]], query={"version": TEXT}
    ),
    ("PUT", "/connector-plugins/{plugin}/config/validate"): Described(
        "Check a configuration: each option with its value, choices and errors.",
        ConfigInfos,
        CONFIG,
    ),
    ("GET", "/admin/loggers"): Described("Levels that were set.", dict[str, dict[str, Any]]),
    ("GET", "/admin/loggers/{logger}"): Described("The level of a logger.", dict[str, Any]),
    ("PUT", "/admin/loggers/{logger}"): Described(
        "Set a logger's level.",
        list[str],
        LEVEL,
        query={"scope": SCOPE},
    ),
    **CONSOLE,
}
"""What is known of each route beside its declaration."""


def document(routes: Iterable[Route]) -> Schema:
    """Give the document of all `routes`."""
    listed = list(routes)
    described = {(route.method, route.path): _described(route) for route in listed}
    answers = {
        answer
        for found in described.values()
        for answer in (found.answer, found.tried)
        if _has_schema(answer)
    }
    names = sorted(answers, key=str)
    schemas, components = msgspec.json.schema_components(
        names, ref_template="#/components/schemas/{name}"
    )
    by_answer = dict(zip(names, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), found in described.items():
        schema = by_answer.get(found.answer, TEXT if found.answer is str else {})
        operation = _operation(method, path, found, schema)
        if found.tried is not None:
            operation["responses"]["200"] = {
                "description": "What it would do.",
                "content": {found.media: {"schema": by_answer[found.tried]}},
            }
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "ingest-appliance", "version": appliance.__version__},
        "paths": paths,
        "components": {"schemas": {**components, "Error": _ERROR}},
    }


def _described(route: Route) -> Described:
    found = DESCRIBED.get((route.method, route.path))
    if found is not None:
        return found
    return Described((route.handler.__doc__ or "").partition("\n")[0], Any)


def _has_schema(answer: Any) -> bool:
    return answer not in (None, str, Any)


def _operation(method: str, path: str, found: Described, schema: Schema) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": found.summary}
    if found.answer is not None:
        answer["content"] = {found.media: {"schema": schema}}
    operation: dict[str, Any] = {
        "operationId": re.sub(r"\W+", "_", f"{method.lower()}{path}").strip("_"),
        "summary": found.summary,
        "parameters": [*_members(path), *_query(found.query)],
        "responses": {
            str(found.status): answer,
            "default": {
                "description": "What went wrong and what to do.",
                "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Error"}}
                },
            },
        },
    }
    if found.body is not None:
        content = {"application/json": {"schema": found.body}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _members(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": COUNT if name in {"task", "partition", "offset"} else TEXT,
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query(query: Mapping[str, Schema]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]
