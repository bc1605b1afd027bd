"""Questions to task processes, and their answers. Any thread asks and blocks."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future
from typing import Any, Final

import orjson

from appliance.channel import AlterOffsets, AskGroupOffsets, AskTaskConfigs, Reply
from appliance.errors import BadRequestError, ConnectError
from appliance.worker.hosts import Host, Hosts

TIMEOUT_S: Final = 90.0
_KEY: Final = "calls"

Question = AskTaskConfigs | AskGroupOffsets | AlterOffsets


class Calls:
    """The questions that are under way."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._lock = threading.Lock()
        self._open: dict[int, tuple[Host, Future[Any]]] = {}
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """Give a number for a new question."""
        return next(self._numbers)

    def ask(self, host: Host, question: Question) -> Any:
        """Give the answer of a process. Raises the error it answers with, ConnectError when it dies."""
        answer: Future[Any] = Future()
        with self._lock:
            self._open[question.call] = (host, answer)
        try:
            host.send(question)
            return answer.result(TIMEOUT_S)
        except TimeoutError as error:
            raise ConnectError(f"{question.name}: no answer within {TIMEOUT_S:.0f} s") from error
        finally:
            with self._lock:
                self._open.pop(question.call, None)

    def ask_someone(self, question: Question) -> Any:
        """Ask a process that is there for questions alone and ends with the last of them."""
        host = self._hosts.enter(_KEY, question.call, None)
        try:
            return self.ask(host, question)
        finally:
            self._hosts.leave(host, question.call)

    def on_reply(self, reply: Reply) -> None:
        """Hand an answer to whoever waits for it."""
        with self._lock:
            _, answer = self._open.get(reply.call, (None, None))
        if answer is None or answer.done():
            return
        if reply.error is None:
            answer.set_result(orjson.loads(reply.value or b"null"))
        elif reply.error_class == BadRequestError.java_class:
            answer.set_exception(BadRequestError(reply.error))
        else:
            answer.set_exception(ConnectError(reply.error))

    def on_lost(self, host: Host) -> None:
        """Fail what was asked of a process that has died."""
        with self._lock:
            lost = [answer for owner, answer in self._open.values() if owner is host]
        for answer in lost:
            if not answer.done():
                answer.set_exception(
                    ConnectError("the process that worked on the answer has died")
                )
