"""`/appliance/v1/plan`: what a change of connectors would do, before it is asked for. It changes nothing.

Offsets and dead letters have previews of their own, beside what changes them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from appliance.config.secrets import masked
from appliance.errors import AlreadyExistsError, BadRequestError, ConnectError
from appliance.herder.entities import ConnectorInfo, HerderSnapshot
from appliance.rest.answers import json_response
from appliance.rest.console.peers import Peers
from appliance.rest.console.records import QUEUE_OPTION, Records, object_of
from appliance.rest.console.trends import rate_of
from appliance.rest.context import Context
from appliance.rest.errors import RestError
from appliance.rest.ownership import Ownership, without_owner
from appliance.rest.routing import Route
from appliance.rest.secrets import Secrets
from appliance.rest.trust import WHO
from appliance.rest.users import Principal, Role

ACTIONS: Final = ("pause", "resume", "stop", "restart", "delete", "apply")
_STATES: Final = {"pause": "PAUSED", "resume": "RUNNING", "stop": "STOPPED"}
_MOST: Final = 1000

Config = dict[str, str | None]


class PlannedTask(msgspec.Struct, frozen=True):
    """A task that the change would stop or start again, and what it does now."""

    task: str
    worker: str
    state: str
    rate: float | None


class PlannedChange(msgspec.Struct, frozen=True):
    """An option that would change; null: it is not set. Secrets are masked."""

    option: str
    before: str | None
    after: str | None


class PlannedError(msgspec.Struct, frozen=True):
    """What is wrong with an option's value."""

    option: str
    error: str


class Plan(msgspec.Struct):
    """What a change would do: tasks that `stop` for good or `restart`, what is `kept` and what is `lost`.

    `calls` are the requests that make the change; `refused` says why the daemon would not make it now.
    """

    action: str
    targets: list[str]
    calls: list[str] = msgspec.field(default_factory=list)
    stops: list[PlannedTask] = msgspec.field(default_factory=list)
    restarts: list[PlannedTask] = msgspec.field(default_factory=list)
    changes: list[PlannedChange] = msgspec.field(default_factory=list)
    errors: list[PlannedError] = msgspec.field(default_factory=list)
    kept: list[str] = msgspec.field(default_factory=list)
    lost: list[str] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)
    refused: str | None = None


def routes(
    context: Context, secrets: Secrets, records: Records, peers: Peers, prefix: str
) -> list[Route]:
    """Give the route; who may make none of these changes has no use for it."""
    plans = _Plans(context, secrets, records, peers)
    return [Route("POST", f"{prefix}/plan", plans.plan, role=Role.OPERATE)]


class _Plans:
    def __init__(self, context: Context, secrets: Secrets, records: Records, peers: Peers) -> None:
        self._context = context
        self._secrets = secrets
        self._records = records
        self._peers = peers
        self._ownership = Ownership(context)

    async def plan(self, request: Request, _members: Mapping[str, str]) -> Response:
        """What a change would do: what stops, what is kept and what is lost, and the calls that make it."""
        asked = object_of(await request.body())
        action, names = asked.get("action"), _targets(asked.get("target"))
        if action not in ACTIONS:
            raise BadRequestError(f"action is one of {', '.join(ACTIONS)}")
        if action == "apply" and len(names) > 1:
            raise BadRequestError("apply takes one target")
        seen = self._context.herder.snapshot()
        unknown = [name for name in names if name not in seen.connectors]
        if unknown and action != "apply":
            raise RestError(404, f"Connector {unknown[0]} not found")
        plan = Plan(action, names)
        if action == "apply":
            await self._apply(plan, request, asked, seen)
        else:
            await self._change(plan, asked, seen, request.headers.get("authorization"))
        if action in {"delete", "apply"}:
            await self._check_owner(plan, request)
        if seen.group.phase != "stable":
            plan.notes.append(
                f"The group is {seen.group.phase}: until it is stable the daemon may answer 409."
            )
        return json_response(plan)

    async def _check_owner(self, plan: Plan, request: Request) -> None:
        try:
            for name in plan.targets:
                await self._ownership.check(request, name)
        except AlreadyExistsError as error:
            plan.refused = str(error)

    async def _change(
        self, plan: Plan, asked: Mapping[str, Any], seen: HerderSnapshot, login: str | None
    ) -> None:
        figures = await self._peers.metrics(seen, login)
        tasks = [task for name in plan.targets for task in _tasks(name, seen, figures)]
        match plan.action:
            case "restart":
                self._restart(plan, asked, tasks)
            case "delete":
                plan.stops = tasks
                await self._delete(plan, seen)
            case _:
                self._to_state(plan, seen, tasks)
        if plan.action in {"stop", "delete"} and any(one.state == "FAILED" for one in plan.stops):
            plan.notes.append(
                "A task that failed commits nothing: what it read since its last commit is read again."
            )
        if plan.action in {"stop", "delete"}:
            self._put_readers(plan, seen)
            self._put_rebalance(plan, seen)

    def _restart(self, plan: Plan, asked: Mapping[str, Any], tasks: Sequence[PlannedTask]) -> None:
        whole, failed = asked.get("includeTasks") is True, asked.get("onlyFailed") is True
        query = f"?includeTasks={str(whole).lower()}&onlyFailed={str(failed).lower()}"
        plan.calls = [f"POST {_path(name)}/restart{query}" for name in plan.targets]
        plan.restarts = [one for one in tasks if whole and (one.state == "FAILED" or not failed)]
        plan.kept.append("configurations and offsets")
        if any(one.state == "RUNNING" for one in plan.restarts):
            plan.notes.append(
                "A task that runs commits before it stops; no task changes its worker."
            )

    def _to_state(self, plan: Plan, seen: HerderSnapshot, tasks: Sequence[PlannedTask]) -> None:
        wanted = _STATES[plan.action]
        plan.calls = [f"PUT {_path(name)}/{plan.action}" for name in plan.targets]
        states = {name: _state(name, seen) for name in plan.targets}
        plan.notes += [f"{name} is {wanted} already." for name in states if states[name] == wanted]
        if plan.action == "stop":
            plan.stops = list(tasks)
            plan.kept += ["configurations and offsets: resume goes on from there"]
        elif plan.action == "pause":
            plan.kept.append("tasks, which stay on their workers and move no data, and offsets")
        elif "STOPPED" in states.values():
            plan.notes.append(
                "Tasks are made anew from the configuration and placed in the group."
            )
            self._put_rebalance(plan, seen)

    async def _delete(self, plan: Plan, seen: HerderSnapshot) -> None:
        plan.calls = [f"DELETE {_path(name)}" for name in plan.targets]
        offsets = await asyncio.gather(*(self._offsets(name) for name in plan.targets))
        queues = {}
        for name, count in zip(plan.targets, offsets, strict=True):
            revised = self._context.journal.revised(name)
            rev = "" if revised is None else f", revision {revised.number}"
            plan.lost.append(f"the configuration of {name}{rev}")
            if count:
                what = f"offsets of {count} partition{'' if count == 1 else 's'}"
                plan.kept.append(f"{what}: a connector called {name} goes on from there")
            queue = seen.connectors[name].config.get(QUEUE_OPTION)
            if queue:
                queues[queue] = name
        plan.kept.append("topics and their records")
        letters = await self._context.call(self._letters, list(queues))
        plan.kept += [f"{count} dead letters in {topic}" for topic, count in letters.items()]
        if any(count for count in letters.values()):
            plan.notes.append(
                "Without the connector the console does not list its dead letter queue."
            )

    async def _offsets(self, name: str) -> int:
        try:
            found = await self._context.wait(self._context.herder.connector_offsets(name))
        except ConnectError:
            # of an unknown plugin, or gone meanwhile: there are none to speak of
            return 0
        return len(found.offsets)

    def _letters(self, topics: Sequence[str]) -> dict[str, int]:
        try:
            return self._records.letters(topics)
        except ConnectError:
            # a broker that is away must not hide the rest
            return {}

    @staticmethod
    def _put_readers(plan: Plan, seen: HerderSnapshot) -> None:
        """Name the sinks that read what nobody will write any more."""
        for name in plan.targets:
            if seen.connectors[name].type == "sink":
                continue
            readers = {
                reader
                for reader, info in seen.connectors.items()
                if info.type == "sink"
                and reader not in plan.targets
                and any(_reads(info, topic) for topic in seen.topics.get(name, ()))
            }
            if readers:
                plan.notes.append(
                    f"{', '.join(sorted(readers))} read what {name} writes: nothing new comes from it."
                )

    @staticmethod
    def _put_rebalance(plan: Plan, seen: HerderSnapshot) -> None:
        eager = seen.group.protocol == "eager"
        plan.notes.append(
            "The group rebalances, and with connect.protocol=eager every task stops for it."
            if eager
            else "The group rebalances; tasks of other connectors keep running."
        )

    async def _apply(
        self, plan: Plan, request: Request, asked: Mapping[str, Any], seen: HerderSnapshot
    ) -> None:
        (name,) = plan.targets
        known = seen.connectors.get(name)
        stored = dict(await self._stored(name)) if known is not None else {}
        patch = "patch" in asked
        given = without_owner(request, _config(asked.get("patch" if patch else "config")))
        caller: Principal = request.scope[WHO]
        whole = {**stored, **given} if patch else {**given, "name": name}
        whole = {
            option: value for option, value in whole.items() if value is not None or not patch
        }
        after = await self._secrets.checkable(name, whole, caller.role)
        plan.changes = _changes(stored, after)
        plan.calls = [
            f"PATCH {_path(name)}/config"
            if patch
            else f"PUT {_path(name)}/config"
            if known is not None
            else "POST /connectors"
        ]
        plan.errors = await self._errors(after)
        if known is None:
            plan.notes.append(f"{name} is new; its tasks are placed in the group.")
            self._put_rebalance(plan, seen)
        elif plan.changes and (state := _state(name, seen)) in {"PAUSED", "STOPPED"}:
            plan.notes.append(f"{name} is {state.lower()}: no task starts with it until resume.")
        elif plan.changes:
            figures = await self._peers.metrics(seen, request.headers.get("authorization"))
            plan.restarts = _tasks(name, seen, figures)
            plan.kept.append("offsets: the tasks go on from there")
        else:
            plan.notes.append("Nothing would change.")

    async def _stored(self, name: str) -> Mapping[str, str | None]:
        return await self._context.wait(self._context.herder.connector_config(name))

    async def _errors(self, config: Config) -> list[PlannedError]:
        try:
            found = await self._context.call(self._context.checks.validate, config)
        except ConnectError as error:
            return [PlannedError("connector.class", str(error))]
        return [
            PlannedError(entry["value"]["name"], error)
            for entry in found.configs
            if entry["value"] is not None
            for error in entry["value"]["errors"]
        ]


def _targets(value: object) -> list[str]:
    names = [value] if isinstance(value, str) else value
    fits = isinstance(names, list) and all(isinstance(name, str) and name for name in names)
    if not fits or not isinstance(names, list) or not 0 < len(names) <= _MOST:
        raise BadRequestError("target is a connector's name, or a list of up to 1000 of them")
    return list(dict.fromkeys(names))


def _config(value: object) -> Config:
    fits = isinstance(value, dict) and all(
        one is None or isinstance(one, str) for one in value.values()
    )
    if not fits or not isinstance(value, dict):
        raise BadRequestError(
            "Give config, the whole configuration, or patch, its changes: an object of texts."
        )
    return dict(value)


def _path(name: str) -> str:
    return f"/connectors/{quote(name, safe='')}"


def _state(name: str, seen: HerderSnapshot) -> str:
    known = seen.states.get(name)
    return "UNASSIGNED" if known is None else known.connector.state


def _tasks(
    name: str, seen: HerderSnapshot, figures: Mapping[str, Mapping[str, Any]]
) -> list[PlannedTask]:
    known = seen.states.get(name)
    return [
        PlannedTask(
            f"{name}:{task.id}",
            task.worker_id,
            task.state,
            rate_of(figures.get(f"{name}-{task.id}", {})),
        )
        for task in (known.tasks if known is not None else ())
    ]


def _changes(before: Config, after: Config) -> list[PlannedChange]:
    """Give what differs; of a secret that changes both values are its mask."""
    old, new = masked(before), masked(after)
    return [
        PlannedChange(option, old.get(option), new.get(option))
        for option in sorted({*before, *after})
        if before.get(option) != after.get(option)
    ]


def _reads(info: ConnectorInfo, topic: str) -> bool:
    if topic in [one.strip() for one in (info.config.get("topics") or "").split(",")]:
        return True
    try:
        return bool(re.fullmatch(info.config.get("topics.regex") or "", topic))
    except re.error:
        # Java's expressions go further than Python's
        return False
