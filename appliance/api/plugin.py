"""The one value by which a plugin makes itself known, cheap to import."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any, Literal

Kind = Literal["sink", "source", "transformation", "predicate", "converter", "header_converter"]

KAFKA_VERSION = "4.3.1"


@dataclasses.dataclass(frozen=True, slots=True)
class Plugin:
    """Names a plugin without importing it.

    `java_class` is the class users write; `also` are other full class names that mean the same (their
    own entries in the plugin list unless `hidden`); `target` is `module:Class` of the implementation and,
    for connectors, `task` the one of its task. Aliases (simple name, simple name without its kind's
    suffix) follow from `java_class`. `path` is the folder of what was found there, empty for built-in ones.
    """

    kind: Kind
    java_class: str
    target: str
    version: str = KAFKA_VERSION
    task: str | None = None
    task_class: str | None = None
    also: tuple[str, ...] = ()
    hidden: bool = False
    path: str = ""

    def load(self) -> Any:
        """Import and give the implementing class."""
        return _load(self.target)


def _load(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
