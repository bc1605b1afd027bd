"""The OpenAPI document of everything a worker serves, made from its routes and entities.

Answers are described by the structs that are encoded, paths and verbs by the routes; what neither can say
(query parameters, bodies, one sentence) stands in `DESCRIBED`. A route without an entry there is described by
its handler's docstring.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

import appliance
from appliance.doctor.findings import Finding
from appliance.herder.entities import (
    ConnectorInfo,
    ConnectorOffsets,
    ConnectorStateInfo,
    Message,
    TaskInfo,
    TaskState,
)
from appliance.rest.console.plan import ACTIONS, Plan
from appliance.rest.console.plugins import PluginEntry
from appliance.rest.routing import Route
from appliance.worker.validation import ConfigInfos

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_FLAG: Final[Schema] = {"type": "boolean"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_CONFIG: Final[Schema] = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
_OBJECT: Final[Schema] = {"type": "object"}
_CREATE: Final[Schema] = {
    "type": "object",
    "required": ["name", "config"],
    "additionalProperties": False,
    "properties": {
        "name": _TEXT,
        "config": _CONFIG,
        "initial_state": {"enum": ["RUNNING", "PAUSED", "STOPPED"]},
    },
}
_OFFSETS: Final[Schema] = {
    "type": "object",
    "required": ["offsets"],
    "additionalProperties": False,
    "properties": {
        "offsets": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["partition", "offset"],
                "additionalProperties": False,
                "properties": {
                    "partition": _OBJECT,
                    "offset": {"type": ["object", "null"]},
                },
            },
        }
    },
}
_LEVEL: Final[Schema] = {
    "type": "object",
    "required": ["level"],
    "properties": {"level": {"enum": ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF"]}},
}
_PLAN: Final[Schema] = {
    "type": "object",
    "required": ["action", "target"],
    "properties": {
        "action": {"enum": list(ACTIONS)},
        "target": {
            "anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1000}]
        },
        "includeTasks": _FLAG,
        "onlyFailed": _FLAG,
        "config": _CONFIG,
        "patch": _CONFIG,
    },
}
_ERROR: Final[Schema] = {
    "type": "object",
    "properties": {"error_code": {"type": "integer"}, "message": _TEXT},
}


class Described(NamedTuple):
    """What a route's declaration cannot say; `answer` None: no body, `query` by name."""

    summary: str
    answer: Any = None
    body: Schema | None = None
    query: Mapping[str, Schema] = {}
    status: int = 200
    media: str = "application/json"


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
        "Create a connector or replace its configuration.", ConnectorInfo, _CONFIG
    ),
    ("PATCH", f"{_ONE}/config"): Described(
        "Change some options; null removes one.", ConnectorInfo, _CONFIG
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
        query={"includeTasks": _FLAG, "onlyFailed": _FLAG},
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
        "Alter offsets of a stopped connector.", Message, _OFFSETS
    ),
    ("DELETE", f"{_ONE}/offsets"): Described("Reset offsets of a stopped connector.", Message),
    ("GET", "/connector-plugins"): Described(
        "The plugins of this worker.",
        list[dict[str, str]],
        query={"connectorsOnly": _FLAG},
    ),
    ("GET", "/connector-plugins/{plugin}/config"): Described(
        "The options of a plugin.", list[dict[str, Any]], query={"version": _TEXT}
    ),
    ("PUT", "/connector-plugins/{plugin}/config/validate"): Described(
        "Check a configuration: each option with its value, choices and errors.",
        ConfigInfos,
        _CONFIG,
    ),
    ("GET", "/admin/loggers"): Described("Levels that were set.", dict[str, dict[str, Any]]),
    ("GET", "/admin/loggers/{logger}"): Described("The level of a logger.", dict[str, Any]),
    ("PUT", "/admin/loggers/{logger}"): Described(
        "Set a logger's level.",
        list[str],
        _LEVEL,
        query={"scope": {"enum": ["worker", "cluster"]}},
    ),
    ("POST", "/appliance/v1/connection-test"): Described(
        "Try the database, store, brokers and schema registry that a configuration names: what was checked, "
        "with the option that it is about and what mends it.",
        list[Finding],
        _CONFIG,
    ),
    ("POST", "/appliance/v1/plan"): Described(
        "What a change of connectors would do, before it is asked for: tasks that stop or restart, what is "
        "kept and lost, options that change, and the calls that make it. It changes nothing. `restart` "
        "takes Connect's includeTasks and onlyFailed, `apply` the whole config or a patch.",
        Plan,
        _PLAN,
    ),
    ("GET", "/appliance/v1/plugins"): Described(
        "The plugins of this worker: version, the folder each is from, and which connectors use it.",
        list[PluginEntry],
    ),
    ("PUT", "/appliance/v1/loggers/{logger}"): Described(
        "Set a logger's level for a while: after `revert_after` (10m, 90s, milliseconds) it is what it was.",
        dict[str, Any],
        _LEVEL,
        query={"scope": {"enum": ["worker", "cluster"]}, "revert_after": _TEXT},
    ),
    ("GET", "/appliance/v1/events"): Described(
        "Events as they happen; `after` or Last-Event-ID resumes.",
        str,
        query={"after": _COUNT},
        media="text/event-stream",
    ),
}
"""What is known of each route beside its declaration."""


def document(routes: Iterable[Route]) -> Schema:
    """Give the document of all `routes`."""
    listed = list(routes)
    described = {(route.method, route.path): _described(route) for route in listed}
    answers = {found.answer for found in described.values() if _has_schema(found.answer)}
    names = sorted(answers, key=str)
    schemas, components = msgspec.json.schema_components(
        names, ref_template="#/components/schemas/{name}"
    )
    by_answer = dict(zip(names, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), found in described.items():
        schema = by_answer.get(found.answer, _TEXT if found.answer is str else {})
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, found, schema)
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
            "schema": _COUNT if name == "task" else _TEXT,
        }
        for name in re.findall(r"\{(\w+)\}", path)
    ]


def _query(query: Mapping[str, Schema]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": schema} for name, schema in query.items()]
