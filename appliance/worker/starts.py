"""Starts: how many starts of connectors and tasks were tried, and how they ended.

Semantics: Kafka Connect 4.3.1 WorkerMetricsGroup; the percentages (fractions, 0 to 1) cover the worker's
whole life. Any thread.
"""

from __future__ import annotations

import threading
from typing import Final, Literal

Kind = Literal["connector", "task"]

_KINDS: Final[tuple[Kind, ...]] = ("connector", "task")


class Starts:
    """Counts of one worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: dict[tuple[Kind, bool], int] = {
            (kind, success): 0 for kind in _KINDS for success in (True, False)
        }

    def ended(self, kind: Kind, *, success: bool) -> None:
        """Count a start that ended: in success, or in FAILED."""
        with self._lock:
            self._ended[kind, success] += 1

    def figures(self) -> dict[str, float | int]:
        """Give the counts under Connect's attribute names."""
        found: dict[str, float | int] = {}
        with self._lock:
            for kind in _KINDS:
                success, failure = self._ended[kind, True], self._ended[kind, False]
                stem, attempts = f"{kind}-startup", success + failure
                found[f"{stem}-attempts-total"] = attempts
                found[f"{stem}-success-total"] = success
                found[f"{stem}-failure-total"] = failure
                found[f"{stem}-success-percentage"] = success / attempts if attempts else 0.0
                found[f"{stem}-failure-percentage"] = failure / attempts if attempts else 0.0
        return found
