"""Jobs: work that takes a while, with progress, an end and a way to cancel it.

A job lives in the worker that started it; the newest KEPT are remembered. Any thread.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from appliance.clock import SYSTEM_CLOCK
from appliance.errors import ConnectError
from appliance.journal.journal import Journal
from appliance.rest.answers import json_response
from appliance.rest.errors import RestError
from appliance.rest.routing import Route
from appliance.rest.users import Role

_LOG = logging.getLogger(__name__)
KEPT: Final = 50

Members = Mapping[str, str]


class CancelledError(Exception):
    """A job ends early, as it was asked to."""


class Job:
    """One job; what it runs counts up `done` and `failed` and calls `go_on` between its steps."""

    def __init__(self, id: str, kind: str, target: str, total: int) -> None:
        self.id = id
        self.kind = kind
        self.target = target
        self.total = total
        self.done = 0
        self.failed = 0
        self.state = "running"
        self.error: str | None = None
        self.result: dict[str, Any] = {}
        self.started_ms = SYSTEM_CLOCK.now_ms()
        self._cancel = threading.Event()

    def go_on(self) -> None:
        """Raise CancelledError when it is to end early."""
        if self._cancel.is_set():
            raise CancelledError

    def cancel(self) -> None:
        """Ask it to end early; what was done stays."""
        self._cancel.set()

    def told(self) -> dict[str, Any]:
        """Give it as REST shows it."""
        return {
            "id": self.id,
            "kind": self.kind,
            "target": self.target,
            "state": self.state,
            "total": self.total,
            "done": self.done,
            "failed": self.failed,
            "error": self.error,
            "started": self.started_ms,
            **self.result,
        }


class Jobs:
    """The jobs of this worker; the journal is told when each begins and ends."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._jobs: dict[str, Job] = {}
        self._numbers = itertools.count(1)

    def start(self, kind: str, target: str, total: int, run: Callable[[Job], None]) -> Job:
        """Start a job on a thread of its own."""
        job = Job(f"{kind}-{SYSTEM_CLOCK.now_ms()}-{next(self._numbers)}", kind, target, total)
        self._jobs[job.id] = job
        for old in list(self._jobs)[:-KEPT]:
            del self._jobs[old]
        self._tell(job)
        threading.Thread(target=self._run, args=(job, run), name=job.id, daemon=True).start()
        return job

    def _run(self, job: Job, run: Callable[[Job], None]) -> None:
        state = "failed"
        try:
            run(job)
            state = "done"
        except CancelledError:
            state = "cancelled"
        except ConnectError as error:
            job.error = str(error)
        except Exception as error:  # noqa: BLE001 - a job that has ended must say so
            _LOG.exception("A job has failed. job=%s", job.id)
            job.error = f"{type(error).__name__}: {error}"
        finally:
            job.state = state
            self._tell(job)

    def _tell(self, job: Job) -> None:
        told = {"kind": job.kind, "target": job.target, "to": job.state}
        self._journal.append(
            "job", {"key": job.id, **told, "done": job.done, "failed": job.failed}
        )

    def routes(self, prefix: str) -> list[Route]:
        """Give the routes."""
        return [
            Route("GET", f"{prefix}/jobs", self._all),
            Route("GET", f"{prefix}/jobs/{{id}}", self._one),
            Route("DELETE", f"{prefix}/jobs/{{id}}", self._cancel, role=Role.OPERATE),
        ]

    async def _all(self, _request: Request, _members: Members) -> Response:
        """The jobs of this worker, newest first."""
        return json_response([job.told() for job in reversed(self._jobs.values())])

    async def _one(self, _request: Request, members: Members) -> Response:
        """A job and how far it is."""
        return json_response(self._found(members).told())

    async def _cancel(self, _request: Request, members: Members) -> Response:
        """End a job early; what it did stays."""
        job = self._found(members)
        job.cancel()
        return json_response(job.told())

    def _found(self, members: Members) -> Job:
        job = self._jobs.get(members["id"])
        if job is None:
            raise RestError(404, f"Job {members['id']} not found on this worker.")
        return job
