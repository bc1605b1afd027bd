"""Logging: one line a record on standard error, with connector, task and scope from the context.

`configure` is called once per process, early. Text lines follow Connect's layout; `json` gives one object
a line. Under systemd the priority goes in front, and the journal adds the time itself. Values of type
Password print as `[hidden]`; further secrets known to this process are blotted out of every line.
"""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import sys
import threading
import time
from collections.abc import Iterator
from typing import Final, NamedTuple, TextIO

from appliance.telemetry.journald import Fields, JournalHandler, is_journal, priority
from appliance.telemetry.loggers import LEVELS, LOGGERS
from appliance.telemetry.names import java_name


class _Context(NamedTuple):
    """Whose line it is."""

    connector: str
    task: int | None
    scope: str


_CONTEXT: Final[contextvars.ContextVar[_Context | None]] = contextvars.ContextVar(
    "log_context", default=None
)
_LEVEL_NAMES: Final = {"WARNING": "WARN", "CRITICAL": "FATAL", "Level 5": "TRACE"}
_secrets: set[str] = set()
_secrets_lock: Final = threading.Lock()
_SHORTEST_SECRET: Final = 6


@contextlib.contextmanager
def log_context(connector: str, task: int | None = None, scope: str = "") -> Iterator[None]:
    """Put `[connector|task-N|scope]`, as Connect writes it, before the lines of the block."""
    token = _CONTEXT.set(_Context(connector, task, scope))
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def hide(secret: str) -> None:
    """Blot `secret` out of every later line of this process; very short texts are left alone."""
    if len(secret) >= _SHORTEST_SECRET:
        with _secrets_lock:
            _secrets.add(secret)


def configure(level: str = "INFO", form: str = "text", stream: TextIO | None = None) -> None:
    """Send all records to `stream` (default: standard error) from `level` up."""
    stream = sys.stderr if stream is None else stream
    handler: logging.Handler = logging.StreamHandler(stream)
    in_journal = is_journal(stream)
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter(in_journal))
    if in_journal and form != "json":
        handler = JournalHandler(_journal_fields, handler)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(LEVELS[level.upper()])
    LOGGERS.begin(level.upper())


def level_name(record: logging.LogRecord) -> str:
    """Give a record's level in Java's word."""
    return _LEVEL_NAMES.get(record.levelname, record.levelname)


def told(record: logging.LogRecord) -> tuple[str, str]:
    """Give a record's context and text, a trace included, secrets blotted out."""
    return _shown_context().strip(" []"), blotted(_message(logging.Formatter(), record))


class _TextFormatter(logging.Formatter):
    """`[time] LEVEL [context] sentence (logger)`."""

    def __init__(self, in_journal: bool) -> None:
        super().__init__()
        self._in_journal = in_journal

    def format(self, record: logging.LogRecord) -> str:
        """Give the line, with a trace below it where there is one."""
        text = f"{_shown_context()}{_message(self, record)} ({java_name(record.name)})"
        if not self._in_journal:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
            return f"[{stamp},{record.msecs:03.0f}] {level_name(record)} {blotted(text)}"
        return "\n".join(f"<{priority(record)}>{line}" for line in blotted(text).splitlines())


class _JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        entry = {
            "ts": int(record.created * 1000),
            "level": level_name(record),
            "logger": java_name(record.name),
            "context": _shown_context().strip(" []"),
            "message": blotted(_message(self, record)),
        }
        return json.dumps(entry, ensure_ascii=False)


def _journal_fields(record: logging.LogRecord) -> Fields:
    context = _CONTEXT.get()
    text = f"{_shown_context()}{_message(logging.Formatter(), record)}"
    fields = {"MESSAGE": blotted(text), "LOGGER": java_name(record.name)}
    if context is not None:
        task = "" if context.task is None else str(context.task)
        fields |= {"CONNECTOR": context.connector, "TASK": task, "SCOPE": context.scope}
    return fields


def _shown_context() -> str:
    """Give `[connector|task-N|scope] ` as Connect writes it, empty outside."""
    context = _CONTEXT.get()
    if context is None:
        return ""
    task = [] if context.task is None else [f"task-{context.task}"]
    scope = [context.scope] if context.scope else []
    return f"[{'|'.join([context.connector, *task, *scope])}] "


def _message(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + formatter.formatException(record.exc_info)
    return text


def blotted(text: str) -> str:
    """Give a text without the secrets that this process was told to hide."""
    with _secrets_lock:
        for secret in _secrets:
            text = text.replace(secret, "[hidden]")
    return text
