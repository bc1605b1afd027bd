"""What the console's resources answer, for their OpenAPI text; times are ms since the epoch.

A member that may be null is null where it is not known.
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

Figures = dict[str, float | int | str]
Offset = dict[str, Any]


class Product(TypedDict):
    """What answers."""

    product: str
    version: str


class Caller(TypedDict):
    """Who asks; `role` is view, operate or administer."""

    principal: str | None
    user: str | None
    role: str
    read_only: bool
    capabilities: list[str]


class GroupEntry(TypedDict):
    """The group of workers; `gen` is its generation, `delay_until` until when lost work waits."""

    id: str | None
    gen: int
    leader: str | None
    phase: str
    protocol: str
    delay_until: int | None
    problem: str | None


class WorkerEntry(TypedDict):
    """A worker; `state` is up or silent, `cpu` 1.0 for a core, `here` the one that answers."""

    id: str
    state: str
    connectors: int
    tasks: int
    here: bool
    rate: float | None
    beat_ms: int | None
    host: NotRequired[str]
    cpu: NotRequired[float]
    rss_bytes: NotRequired[int]
    started_ms: NotRequired[int]


class QueueName(TypedDict):
    """A connector's dead letter queue."""

    topic: str


class ConnectorEntry(TypedDict):
    """A connector; `rev` is its revision, `changed` when and `changed_by` by whom it was made."""

    name: str
    type: str
    state: str
    worker: str | None
    trace: str | None
    plugin: str | None
    version: str | None
    topics: list[str]
    tasks: int
    dlq: QueueName | None
    rev: int | None
    changed: int | None
    changed_by: str | None


class TaskEntry(TypedDict):
    """A task, `id` as connector:number; `rate` records a second, `lag` in `unit` (records or ms).

    `error` is why it failed, or what one that runs waits for; `hist` are its rates in steps of 5 s.
    """

    id: str
    worker: str | None
    state: str
    rate: float | None
    lag: float | None
    unit: str | None
    error: str | None
    since: int | None
    restarts: int
    hist: list[float]


class Snapshot(TypedDict):
    """Everything at one moment; events later than `seq` go on from it."""

    seq: int
    ts: int
    group: GroupEntry
    workers: list[WorkerEntry]
    connectors: list[ConnectorEntry]
    tasks: list[TaskEntry]


Throughput = TypedDict(
    "Throughput", {"step_ms": int, "ts": int, "in": list[float], "out": list[float]}
)
"""Records a second into Kafka and out of it, oldest first, in steps that end at `ts`."""


class ProcessEntry(TypedDict):
    """A worker's processes."""

    host: str
    cpu: float
    rss_bytes: int
    started_ms: int


class Local(TypedDict):
    """What one worker knows; figures by task."""

    process: ProcessEntry
    beat_ms: int | None
    metrics: dict[str, Figures]


class LocalTrends(TypedDict):
    """Rates by step: of each task (step, rate), of all (step, into Kafka, out of it)."""

    tasks: dict[str, list[list[float]]]
    flow: list[list[float]]


class Cause(TypedDict):
    """Why a group was balanced anew."""

    kind: str
    worker: str | None
    detail: str


Revoked = TypedDict("Revoked", {"task": str, "from": str})
Assigned = TypedDict("Assigned", {"task": str, "from": str | None, "to": str})
"""A task that was given up, and one that was given to a worker."""


class Standstill(TypedDict):
    """How long tasks stood still because of the rebalance, in ms, from when they ran last."""

    p50: int | None
    max: int | None


class Rebalance(TypedDict):
    """A rebalance; `id` is its own, `gen` the group's generation, which begins anew in an empty group."""

    id: int
    gen: int
    leader: str
    phase: str
    cause: Cause
    started: int
    took_ms: int
    delay_until: int | None
    joined: list[str]
    left: list[str]
    workers: dict[str, int]
    revoked: list[Revoked]
    assigned: list[Assigned]
    lost: list[str]
    standstill_ms: dict[str, int]
    stopped_ms: Standstill


AuditEntry = TypedDict(
    "AuditEntry",
    {
        "id": int,
        "ts": int,
        "type": str,
        "worker": str,
        "key": str,
        "action": str,
        "status": int,
        "by": str,
        "from": NotRequired[str],
    },
)
"""A change asked for over REST: verb, path, answer's status, who asked, from which address."""

Transition = TypedDict(
    "Transition",
    {
        "id": int,
        "ts": int,
        "type": str,
        "worker": str,
        "key": str,
        "from": str | None,
        "to": str,
        "cause": str,
        "trace": NotRequired[str],
    },
)
"""A change of state of a connector or task."""

Revision = TypedDict(
    "Revision",
    {
        "id": int,
        "ts": int,
        "type": str,
        "worker": str,
        "key": str,
        "config": dict[str, str | None] | None,
        "by": str | None,
        "from": str | None,
    },
)
"""A configuration, null when the connector was deleted; secrets are masked."""


class LocalLine(TypedDict):
    """A log line of one worker; `id` grows, over its restarts too, `context` as connector|task-0."""

    id: int
    ts: int
    level: str
    logger: str
    context: str
    message: str


class LogLine(LocalLine):
    """A log line."""

    worker: str


class Lag(TypedDict):
    """A partition: committed offset, end, how far `behind` in `unit` (records or ms); `bytes` of a log."""

    connector: str
    type: str
    partition: Offset | None
    committed: Offset | None
    end: Offset | None
    behind: float | None
    unit: str
    committed_ms: int | None
    bytes: NotRequired[int | None]


class Check(TypedDict):
    """Something that was looked at."""

    name: str
    ok: bool
    detail: str | None


PreviewedOffset = TypedDict(
    "PreviewedOffset",
    {
        "partition": Offset,
        "from": Offset | None,
        "to": Offset | None,
        "direction": str | None,
        "bytes": int | None,
        "events": int | None,
        "eta_s": float | None,
        "checks": list[Check],
    },
)
"""What another offset means: again or left out, how much of it, how long that takes."""


class Preview(TypedDict):
    """What altering offsets would do, and whether it can be done now."""

    connector: str
    requires: str
    state: str
    offsets: list[PreviewedOffset]
    checks: list[Check]


class TopicEntry(TypedDict):
    """A topic; `size_bytes` of one copy."""

    topic: str
    partitions: int
    records: int
    size_bytes: int | None
    internal: bool
    written_by: list[str]
    read_by: list[str]


Payload = TypedDict(
    "Payload",
    {
        "as": str,
        "text": str | None,
        "size": int,
        "schema_id": NotRequired[int | str | None],
        "bytes_b64": NotRequired[str],
        "decode_error": NotRequired[str],
        "cut": NotRequired[bool],
    },
)
"""A key or value as text, in the form in which it was read."""


class RecordEntry(TypedDict):
    """A record; a header is its name and value."""

    topic: str
    partition: int
    offset: int
    ts: int | None
    key: Payload
    value: Payload
    headers: list[list[str | None]]


class Origin(TypedDict):
    """Where a dead letter came from."""

    topic: str
    partition: int | None
    offset: int | None


Letter = TypedDict(
    "Letter",
    {
        "topic": str,
        "partition": int,
        "offset": int,
        "ts": int | None,
        "key": Payload,
        "value": Payload,
        "headers": list[list[str | None]],
        "origin": Origin | None,
        "connector": str | None,
        "task": int | None,
        "stage": str | None,
        "class": str | None,
        "exception": str | None,
        "message": str | None,
        "trace": str | None,
        "cause": str | None,
        "attempts": int,
        "discarded": NotRequired[bool],
    },
)
"""A dead letter: the record, where it came from and what went wrong; `attempts` to replay it."""


class LetterGroup(TypedDict):
    """Dead letters with the same error."""

    stage: str | None
    exception: str | None
    message: str | None
    count: int


class Queue(TypedDict):
    """A dead letter queue; `end` grows with each letter, `discarded` are hidden.

    `empty_since_ms` is null where there are letters.
    """

    topic: str
    connectors: list[str]
    exists: bool
    records: int
    discarded: int
    new_1h: int
    last_ms: int | None
    empty_since_ms: int | None
    end: int


class JobEntry(TypedDict):
    """A job; `state` is running, done, failed or cancelled."""

    id: str
    kind: str
    target: str
    state: str
    total: int
    done: int
    failed: int
    error: str | None
    started: int


class Planned(TypedDict):
    """How many letters are meant; `whole`: all of the queue was looked at for it."""

    count: int
    whole: bool


class StillFailing(TypedDict):
    """A letter that would fail again."""

    partition: int
    offset: int
    error: str


class Tried(TypedDict):
    """What a replay would do: of `count` letters the first `tried` were read; `targets` by topic."""

    count: int
    whole: bool
    tried: int
    decode: int
    still_failing: int
    without_origin: int
    failures: list[StillFailing]
    targets: dict[str, int]


class Purged(TypedDict):
    """How many letters are deleted, up to which offset of each partition."""

    count: int
    before: dict[str, int]
