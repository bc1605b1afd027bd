"""Loggers: their levels by Java name, listed and set as REST's /admin/loggers does.

Semantics: Kafka Connect 4.3.1 Loggers on log4j2 (Configurator.setAllLevels): a level set for a name also
goes to every logger below that plain prefix that has a level of its own; loggers without one inherit by
dots. Answers name only what really changed. Any thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Final, NamedTuple

from appliance.clock import SYSTEM_CLOCK, Clock
from appliance.telemetry.names import ALSO_KNOWN, JAVA_NAMES

ROOT: Final = "root"
LEVELS: Final = {
    "OFF": 100,
    "FATAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": 5,
    "ALL": 1,
}


class LoggerLevel(NamedTuple):
    """A logger's effective level and when the API changed it (ms since the epoch, None: never)."""

    level: str
    last_modified: int | None


class Loggers:
    """The levels of this process."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        """Start from the root logger's level."""
        self._clock = clock
        self._lock = threading.Lock()
        self._explicit: dict[str, str] = {ROOT: _name_of(logging.getLogger().level)}
        self._modified: dict[str, int] = {}

    def begin(self, level: str) -> None:
        """Set the root's level that the process starts with: no change in the API's eyes."""
        with self._lock:
            self._explicit[ROOT] = level
            self._apply()

    def all(self) -> dict[str, LoggerLevel]:
        """Give every known logger that is not OFF, sorted by name."""
        with self._lock:
            levels = {name: self._level(name) for name in sorted(self._known())}
            return {name: level for name, level in levels.items() if level.level != "OFF"}

    def get(self, name: str) -> LoggerLevel | None:
        """Give one logger, None when it is unknown."""
        with self._lock:
            name = _canonical(name)
            return self._level(name) if name in self._known() else None

    def set_level(self, name: str, level: str) -> list[str]:
        """Set `level` (a name of LEVELS, upper case); give the loggers that changed, sorted."""
        with self._lock:
            name = _canonical(name)
            before = {known: self._effective(known) for known in {*self._known(), name}}
            prefix = "" if name == ROOT else name
            for explicit in self._explicit:
                if explicit.startswith(prefix):
                    self._explicit[explicit] = level
            self._explicit[name] = level
            changed = sorted(
                known for known in self._known() if before[known] != self._effective(known)
            )
            now_ms = self._clock.now_ms()
            self._modified.update(dict.fromkeys(changed, now_ms))
            self._apply()
            return changed

    def apply(self, name: str, level: str) -> None:
        """Set a level without asking what changed."""
        self.set_level(name, level)

    def explicit(self) -> Mapping[str, str]:
        """Give the levels that were set, for a process that starts later."""
        with self._lock:
            return dict(self._explicit)

    def _known(self) -> set[str]:
        return {*JAVA_NAMES.values(), *ALSO_KNOWN, *self._explicit}

    def _level(self, name: str) -> LoggerLevel:
        return LoggerLevel(self._effective(name), self._modified.get(name))

    def _effective(self, name: str) -> str:
        while name:
            if name in self._explicit:
                return self._explicit[name]
            name = name.rpartition(".")[0]
        return self._explicit[ROOT]

    def _apply(self) -> None:
        for name, level in self._explicit.items():
            logging.getLogger(None if name == ROOT else name).setLevel(LEVELS[level])
        for module, java in JAVA_NAMES.items():
            logging.getLogger(module).setLevel(LEVELS[self._effective(java)])


def _canonical(name: str) -> str:
    return ROOT if name.lower() == ROOT or not name else name


def _name_of(number: int) -> str:
    return next((name for name, level in LEVELS.items() if level == number), "INFO")


LOGGERS: Final = Loggers()
"""The levels of this process."""
