"""What the other workers measure: gathered at most once a second, and only while somebody asks.

A worker that does not answer keeps its last figures and their age; statuses tell soon enough that it is
gone. Runs on the event loop; requests block threads of their own.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.errors import ConnectError
from appliance.herder.entities import HerderSnapshot
from appliance.rest.console.snapshot import letters, rates
from appliance.rest.console.trends import Told, merged
from appliance.rest.context import Context
from appliance.rest.forward import WorkerClient
from appliance.rest.users import Principal, Role

FRESH_S: Final = 0.9
TIMEOUT_S: Final = 2.0
WORKERS_PATH: Final = "/appliance/v1/workers"
LOCAL_PATH: Final = "/appliance/v1/local"
LOCAL_TRENDS_PATH: Final = f"{LOCAL_PATH}/trends"
_STALE_S: Final = 15.0

_VIEWER: Final = Principal(None, Role.VIEW)

Figures = Mapping[str, Any]


class Process:
    """This worker and its task processes: share of a core since the last look, bytes, start."""

    def __init__(self, task_pids: Callable[[], list[int]], clock: Clock = SYSTEM_CLOCK) -> None:
        self._task_pids = task_pids
        self._clock = clock
        self._started_ms = clock.now_ms()
        self._looked = (clock.monotonic_s(), self._cpu_s())
        self._share = 0.0

    def figures(self) -> dict[str, Any]:
        """Give host, cpu (1.0 is one core), rss_bytes (of tasks what they do not share), started_ms."""
        now_s, cpu_s = self._clock.monotonic_s(), self._cpu_s()
        past_s, past_cpu_s = self._looked
        if now_s - past_s >= FRESH_S / 2:
            # a task process that ended takes its time with it
            self._share = max(0.0, round((cpu_s - past_cpu_s) / (now_s - past_s), 3))
            self._looked = now_s, cpu_s
        pages = int(_proc("self", "statm")[1])
        for pid in self._task_pids():
            memory = _proc(pid, "statm")
            pages += int(memory[1]) - int(memory[2]) if memory else 0
        return {
            "host": socket.gethostname(),
            "cpu": self._share,
            "rss_bytes": pages * resource.getpagesize(),
            "started_ms": self._started_ms,
        }

    def _cpu_s(self) -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        ticks = 0
        for pid in self._task_pids():
            # the command's name may hold spaces: fields are counted after it
            fields = _proc(pid, "stat")
            ticks += int(fields[-39]) + int(fields[-38]) if fields else 0
        return used.ru_utime + used.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


class Peers:
    """The figures of all workers of the group, by worker id."""

    def __init__(self, context: Context, clock: Clock = SYSTEM_CLOCK) -> None:
        self._context = context
        self._clock = clock
        self._client = WorkerClient(context.config, lambda: context.herder.session_key, TIMEOUT_S)
        self._process = Process(context.task_pids, clock)
        self._known: dict[str, Figures] = {}
        self._heard_s: dict[str, float] = {}
        self._gathered_s = float("-inf")
        self._gathering = asyncio.Lock()
        self._rated_s = float("-inf")
        self._rates: list[Any] = []
        self._letters: Mapping[str, int] = {}

    @property
    def worker_id(self) -> str:
        """Give the id of the worker that answers."""
        workers = self._context.herder.snapshot(whole=False).workers
        return next((worker.worker_id for worker in workers if worker.here), "")

    def local(self, seen: HerderSnapshot) -> dict[str, Any]:
        """Give this worker's own figures."""
        return {
            "process": self._process.figures(),
            "beat_ms": seen.group.silence_ms,
            "metrics": seen.metrics,
        }

    async def workers(self, seen: HerderSnapshot, authorization: str | None) -> dict[str, Figures]:
        """Give each worker's figures; `authorization` is the header to ask the others with."""
        async with self._gathering:
            if self._clock.monotonic_s() - self._gathered_s >= FRESH_S:
                urls = self._urls(seen)
                await asyncio.gather(
                    *(self._ask(worker, url, authorization) for worker, url in urls.items())
                )
                self._gathered_s = self._clock.monotonic_s()
        now_s = self._clock.monotonic_s()
        for worker in [name for name, at_s in self._heard_s.items() if now_s - at_s > _STALE_S]:
            del self._heard_s[worker]
            self._known.pop(worker, None)
        here = {worker.worker_id: self.local(seen) for worker in seen.workers if worker.here}
        return {**self._known, **here}

    async def metrics(self, seen: HerderSnapshot, authorization: str | None) -> dict[str, Figures]:
        """Give the figures of every task of the group, by the text of its id."""
        found: dict[str, Figures] = {}
        for worker in (await self.workers(seen, authorization)).values():
            found.update(worker["metrics"])
        return found

    async def trends(self, seen: HerderSnapshot, authorization: str | None) -> Told:
        """Give the trends of every task of the group, and their sums."""
        urls = self._urls(seen).values()
        found = await asyncio.gather(
            *(self._get(url + LOCAL_TRENDS_PATH, authorization) for url in urls)
        )
        others = [answer for answer in found if answer is not None]
        return merged([self._context.trends.told(), *others])

    async def rates(self, authorization: str | None) -> list[Any]:
        """Give (task, records per second, lag) of every task that has figures; all streams share them."""
        if self._clock.monotonic_s() - self._rated_s >= FRESH_S:
            self._rated_s = self._clock.monotonic_s()
            seen = self._context.herder.snapshot(whole=False)
            metrics = await self.metrics(seen, authorization)
            self._rates = rates(metrics, seen.taken_ms)
            self._letters = letters(metrics, seen)
        return self._rates

    def letters(self) -> Mapping[str, int]:
        """Give how many letters the tasks of the last `rates` have written into each queue."""
        return self._letters

    async def _ask(self, worker: str, url: str, authorization: str | None) -> None:
        found = await self._get(url + LOCAL_PATH, authorization)
        if found is not None:
            self._known[worker] = found
            self._heard_s[worker] = self._clock.monotonic_s()

    async def ask_others(self, paths: Callable[[str], str], request: Request) -> dict[str, Any]:
        """Give what each other worker answers to its path, by worker id; silent ones are left out."""
        seen = self._context.herder.snapshot()
        urls = self._urls(seen)
        authorization = request.headers.get("authorization")
        found = await asyncio.gather(
            *(self._get(url + paths(worker), authorization) for worker, url in urls.items())
        )
        return {
            worker: answer
            for worker, answer in zip(urls, found, strict=True)
            if answer is not None
        }

    def _urls(self, seen: HerderSnapshot) -> dict[str, str]:
        scheme = (seen.group.leader_url or "http:").partition(":")[0]
        return {
            worker.worker_id: f"{scheme}://{worker.worker_id}"
            for worker in seen.workers
            if not worker.here
        }

    async def _get(self, url: str, authorization: str | None) -> Any:
        headers = {} if authorization is None else {"Authorization": authorization}
        try:
            answer = await self._context.call(self._client.send, "GET", url, b"", headers, _VIEWER)
            return json.loads(answer.body) if answer.status == 200 else None
        except (ConnectError, ValueError):
            # it is on its way out, or not yet there: its last figures stay for a while
            return None


def _proc(pid: int | str, name: str) -> list[str]:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="ascii", errors="replace").split()
    except OSError:
        # it has just ended
        return []
