"""The OpenAPI text of `/appliance/v1`, as far as routes and handlers do not say it themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from appliance.doctor.findings import Finding
from appliance.rest.console.entities import (
    AuditEntry,
    Caller,
    Figures,
    JobEntry,
    Lag,
    Letter,
    LetterGroup,
    Local,
    LocalLine,
    LocalTrends,
    LogLine,
    Planned,
    Preview,
    Product,
    Purged,
    Queue,
    Rebalance,
    RecordEntry,
    Revision,
    Snapshot,
    Throughput,
    TopicEntry,
    Transition,
    Tried,
    WorkerEntry,
)
from appliance.rest.console.payloads import FORMS
from appliance.rest.console.plan import ACTIONS, Plan
from appliance.rest.console.plugins import PluginEntry
from appliance.rest.described import CONFIG, COUNT, FLAG, OFFSETS, TEXT, Described, Schema
from appliance.telemetry.loggers import LEVELS

LEVEL: Final[Schema] = {
    "type": "object",
    "required": ["level"],
    "properties": {"level": {"enum": ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL", "OFF"]}},
}
SCOPE: Final[Schema] = {"enum": ["worker", "cluster"]}
_PLAN: Final[Schema] = {
    "type": "object",
    "required": ["action", "target"],
    "properties": {
        "action": {"enum": list(ACTIONS)},
        "target": {
            "anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1, "maxItems": 1000}]
        },
        "includeTasks": FLAG,
        "onlyFailed": FLAG,
        "config": CONFIG,
        "patch": CONFIG,
    },
}
_STREAM: Final = "text/event-stream"
_LIMIT: Final[Mapping[str, Schema]] = {"limit": {"type": "integer", "minimum": 1}}
_SPAN: Final[Schema] = {"type": "string", "pattern": r"^\d+(ms|s|m|h|)$"}
_FORM: Final[Mapping[str, Schema]] = {"as": {"enum": list(FORMS)}}
_CHOSEN: Final[Mapping[str, Schema]] = {"q": TEXT, "stage": TEXT, "exception": TEXT}
_LETTERS: Final[Mapping[str, Schema]] = {**_CHOSEN, **_FORM, "discarded": FLAG}
_LINES: Final[Mapping[str, Schema]] = {
    "level": {"enum": list(LEVELS)},
    "worker": TEXT,
    "connector": TEXT,
    "q": TEXT,
    "after": TEXT,
}
_PLACES: Final[Schema] = {
    "type": "array",
    "items": {"type": "array", "items": COUNT, "minItems": 2, "maxItems": 2},
}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


_MEANT: Final[Mapping[str, Schema]] = {**_CHOSEN, "records": _PLACES, "dry_run": FLAG}
_A: Final = "/appliance/v1"
_ONE: Final = f"{_A}/connectors/{{name}}"
_QUEUE: Final = f"{_A}/dlq/{{topic}}"

CONSOLE: Final[Mapping[tuple[str, str], Described]] = {
    ("GET", _A): Described("Product and version.", Product),
    ("GET", f"{_A}/openapi.json"): Described("This document.", dict[str, Any]),
    ("GET", f"{_A}/whoami"): Described("Who asks, and what they may do.", Caller),
    ("GET", f"{_A}/snapshot"): Described("Everything that the console shows first.", Snapshot),
    ("GET", f"{_A}/local"): Described("Between workers: what this one alone knows.", Local),
    ("GET", f"{_A}/local/trends"): Described(
        "Between workers: the rates that this one has kept.", LocalTrends
    ),
    ("GET", f"{_A}/local/logs"): Described(
        "Between workers: log lines of this one later than `after`.",
        list[LocalLine],
        query={"after": COUNT},
    ),
    ("GET", f"{_A}/throughput"): Described(
        "Records a second into Kafka and out of it over the last minutes, oldest first.",
        Throughput,
        query={"window": _SPAN, "step": _SPAN},
    ),
    ("GET", f"{_A}/events"): Described(
        "Events as they happen; `after` or Last-Event-ID resumes.",
        str,
        query={"after": COUNT},
        media=_STREAM,
    ),
    ("GET", f"{_A}/workers"): Described("The workers of the group.", list[WorkerEntry]),
    ("GET", f"{_A}/rebalances"): Described(
        "Rebalances with cause and standstill, newest first.", list[Rebalance], query=_LIMIT
    ),
    ("GET", f"{_A}/rebalances/{{id}}"): Described("One rebalance.", Rebalance),
    ("GET", f"{_A}/audit"): Described(
        "Changes asked for over REST, newest first.", list[AuditEntry], query=_LIMIT
    ),
    ("GET", f"{_A}/metrics"): Described("Figures of all tasks, by task.", dict[str, Figures]),
    ("GET", f"{_ONE}/history"): Described(
        "Revisions of a connector's configuration, newest first, with who asked for each.",
        list[Revision],
        query=_LIMIT,
    ),
    ("GET", f"{_ONE}/metrics"): Described(
        "Figures of a connector's tasks, by their numbers.", dict[str, Figures]
    ),
    ("GET", f"{_ONE}/transitions"): Described(
        "Changes of state of a connector and its tasks, newest first.",
        list[Transition],
        query=_LIMIT,
    ),
    ("GET", f"{_ONE}/tasks/{{task}}/transitions"): Described(
        "Changes of state of a task, newest first.", list[Transition], query=_LIMIT
    ),
    ("GET", f"{_ONE}/tasks/{{task}}/metrics"): Described("Figures of a task.", Figures),
    ("POST", f"{_ONE}/offsets/preview"): Described(
        "What altering offsets would do: how much again or left out, how long that takes, checks.",
        Preview,
        OFFSETS,
    ),
    ("GET", f"{_A}/lag"): Described(
        "Each partition's committed offset, its end and how far it is behind; a source by time.",
        list[Lag],
        query={"connector": TEXT},
    ),
    ("GET", f"{_A}/logs/recent"): Described(
        "The newest log lines of all workers, of at least `level`; `after` is worker=id, with commas.",
        list[LogLine],
        query={**_LINES, **_LIMIT},
    ),
    ("GET", f"{_A}/logs"): Described(
        "Log lines of all workers as they come: events `log`.", str, query=_LINES, media=_STREAM
    ),
    ("PUT", f"{_A}/loggers/{{logger}}"): Described(
        "Set a logger's level for a while: after `revert_after` (10m, 90s, milliseconds) it is what it was.",
        dict[str, Any],
        LEVEL,
        query={"scope": SCOPE, "revert_after": TEXT},
    ),
    ("GET", f"{_A}/topics"): Described(
        "Every topic: partitions, records, bytes of one copy, which connectors write and read it.",
        list[TopicEntry],
    ),
    ("GET", f"{_A}/topics/{{topic}}/records"): Described(
        "Records of a topic: `from` newest, oldest, an offset or time:MS. With `follow` those that come, as "
        "server-sent events `record`.",
        list[RecordEntry],
        query={**_FORM, **_LIMIT, "from": TEXT, "partition": COUNT, "q": TEXT, "follow": FLAG},
    ),
    ("GET", f"{_A}/plugins"): Described(
        "The plugins of this worker: version, the folder each is from, and which connectors use it.",
        list[PluginEntry],
    ),
    ("POST", f"{_A}/connection-test"): Described(
        "Try the database, store, brokers and schema registry that a configuration names: what was checked, "
        "with the option that it is about and what mends it.",
        list[Finding],
        CONFIG,
    ),
    ("POST", f"{_A}/plan"): Described(
        "What a change of connectors would do, before it is asked for: tasks that stop or restart, what is "
        "kept and lost, options that change, and the calls that make it. It changes nothing. `restart` "
        "takes Connect's includeTasks and onlyFailed, `apply` the whole config or a patch.",
        Plan,
        _PLAN,
    ),
    ("GET", f"{_A}/dlq"): Described("Every dead letter queue.", list[Queue]),
    ("GET", f"{_QUEUE}/records"): Described(
        "Dead letters, newest first; `discarded` those that are hidden as well; `after`, partition:offset "
        "with commas, goes on behind these.",
        list[Letter],
        query={**_LETTERS, **_LIMIT, "after": TEXT},
    ),
    ("GET", f"{_QUEUE}/records/{{partition}}/{{offset}}"): Described(
        "One dead letter, hidden or not.", Letter, query=_FORM
    ),
    ("GET", f"{_QUEUE}/groups"): Described(
        "How many dead letters there are of each stage and error.",
        list[LetterGroup],
        query=_CHOSEN,
    ),
    ("GET", f"{_QUEUE}/export"): Described(
        "Dead letters, all that the filters leave, whole, a JSON object a line, oldest first.",
        str,
        query={**_CHOSEN, **_FORM},
        media="application/x-ndjson",
    ),
    ("POST", f"{_QUEUE}/replay"): Described(
        "Send dead letters again, those of `records` or what the filters leave, to `topic` or where they "
        "came from; `edits` are other values by partition:offset, text, null or base64. The answer is a job; "
        "with `dry_run` 200 and what would happen.",
        JobEntry,
        _object(
            **_MEANT,
            topic=TEXT,
            edits={
                "type": "object",
                "additionalProperties": {"type": ["string", "object", "null"]},
            },
        ),
        status=202,
        tried=Tried,
    ),
    ("POST", f"{_QUEUE}/discard"): Described(
        "Hide dead letters: those of `records`, or what the filters leave. The answer is a job; with "
        "`dry_run` 200 and how many.",
        JobEntry,
        _object(**_MEANT),
        status=202,
        tried=Planned,
    ),
    ("POST", f"{_QUEUE}/purge"): Described(
        "Delete a queue's records for good, all or up to the offsets of `before` by partition.",
        Purged,
        _object(before={"type": "object", "additionalProperties": COUNT}, dry_run=FLAG),
    ),
    ("GET", f"{_A}/jobs"): Described("The jobs of this worker, newest first.", list[JobEntry]),
    ("GET", f"{_A}/jobs/{{id}}"): Described("A job and how far it is.", JobEntry),
    ("DELETE", f"{_A}/jobs/{{id}}"): Described("End a job early; what it did stays.", JobEntry),
}
