"""Plugins: which connectors, transforms, predicates and converters there are, and which one a name means.

Semantics: Kafka Connect 4.3.1 Plugins, DelegatingClassLoader and PluginUtils: a plugin is named by its
full class name, its simple name, or that without its kind's suffix where this is unambiguous. Third
parties register by entry point, group `ingest_appliance.<kind>`, name = the Java-style class; a
connector's task under the same name in `ingest_appliance.task`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from appliance.api.plugin import Kind, Plugin
from appliance.errors import BadRequestError, ConfigError, ConnectError, NotFoundError

KINDS: Final[tuple[Kind, ...]] = (
    "sink",
    "source",
    "transformation",
    "predicate",
    "converter",
    "header_converter",
)
"""All kinds in the order in which REST lists them."""

ENTRY_POINT_GROUP: Final = "ingest_appliance."
TASK_GROUP: Final = "ingest_appliance.task"
_SUFFIXES: Final = {
    "sink": "Connector",
    "source": "Connector",
    "transformation": "Transformation",
    "predicate": "Predicate",
    "converter": "Converter",
    "header_converter": "HeaderConverter",
}
_KAFKA: Final = "org.apache.kafka."
_CONNECTORS: Final = ("sink", "source")


class NoSuchConnectorError(BadRequestError):
    """No connector, or several, have the name that a configuration gives."""


class PluginVersionError(ConnectError):
    """No version of a plugin is in the range asked for."""

    java_class = "org.apache.kafka.connect.runtime.isolation.VersionedPluginLoadingException"


class Plugins:
    """All plugins of a worker; immutable, any thread."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        """Take the plugins; of two with the same kind and class the first counts."""
        by_name: dict[tuple[Kind, str], Plugin] = {}
        for plugin in plugins:
            for java_class in (plugin.java_class, *plugin.also):
                by_name.setdefault((plugin.kind, java_class), plugin)
        self._by_name: Final = by_name

    @classmethod
    def discover(cls, plugin_path: Sequence[str] = ()) -> Plugins:
        """Give the built-in plugins and those that installed distributions register."""
        return cls([*_built_in(), *_registered(plugin_path)])

    def listed(self, *, connectors_only: bool = False) -> list[tuple[Kind, str, str]]:
        """Give (kind, class, version) of each plugin, ordered as REST lists them."""
        kinds = _CONNECTORS if connectors_only else KINDS
        return [
            (kind, name, self._by_name[kind, name].version)
            for kind in kinds
            for name in self.classes(kind)
        ]

    def classes(self, kind: Kind) -> list[str]:
        """Give the class names of one kind, sorted."""
        return sorted(
            name
            for found_kind, name in self._by_name
            if found_kind == kind and not self._is_hidden(found_kind, name)
        )

    def path(self, kind: Kind, java_class: str) -> str:
        """Give the folder that a class was found in, empty for a built-in one."""
        return self._by_name[kind, java_class].path

    def find(self, kind: Kind, name: str) -> Plugin:
        """Give the plugin of `kind` that `name` means. Raises ConfigError in Connect's words."""
        plugin = self.lookup(kind, name)
        if plugin is None:
            raise ConfigError(f"Class {name} could not be found.")
        return plugin

    def lookup(self, kind: Kind, name: str) -> Plugin | None:
        """Give the plugin of `kind` that `name` means, None when there is none or several."""
        exact = self._by_name.get((kind, name))
        if exact is not None:
            return exact
        # a class of several kinds has the short names of each: StringConverter is also `String` for headers
        matches = {
            java_class: self._by_name[kind, java_class]
            for found_kind, java_class in self._by_name
            if name in aliases(found_kind, java_class) and (kind, java_class) in self._by_name
        }
        # Debezium's Filter, which a Connect installation seldom has, must not take Kafka's alias away
        own = {java_class: p for java_class, p in matches.items() if java_class.startswith(_KAFKA)}
        found = {id(plugin): plugin for plugin in (own or matches).values()}
        return next(iter(found.values())) if len(found) == 1 else None

    def find_connector(self, name: str, version: str | None = None) -> Plugin:
        """Give the connector that `name` means, in a version that `version` allows.

        Raises NoSuchConnectorError when there is none or several, PluginVersionError.
        """
        matches = {
            java_class: plugin
            for (kind, java_class), plugin in sorted(self._by_name.items())
            if kind in _CONNECTORS and (name == java_class or name in aliases(kind, java_class))
        }
        if not matches:
            raise NoSuchConnectorError(
                "Failed to find any class that implements Connector and which name matches "
                f"{name}, available connectors are: {self._described()}"
            )
        if len({id(plugin) for plugin in matches.values()}) > 1:
            raise NoSuchConnectorError(
                f"More than one connector matches alias {name}. Please use full package and class "
                f"name instead. Classes found: {self._described(set(matches))}"
            )
        java_class, plugin = next(iter(matches.items()))
        check_version(name if name == java_class else java_class, plugin.version, version)
        return plugin

    def find_any(self, name: str) -> tuple[Kind, Plugin]:
        """Give the plugin of any kind that `name` means. Raises NotFoundError."""
        for kind in KINDS:
            plugin = self.lookup(kind, name)
            if plugin is not None:
                return kind, plugin
        raise NotFoundError(f"Unknown plugin {name}.")

    def other_kind(self, kind: Kind, name: str) -> str | None:
        """Give the class that `name` means when it is a plugin of another kind than `kind`."""
        for other in KINDS:
            plugin = self.lookup(other, name) if other != kind else None
            if plugin is not None:
                return self.class_of(other, plugin, name)
        return None

    def class_of(self, kind: Kind, plugin: Plugin, name: str) -> str:
        """Give the full class name by which `name` means `plugin`."""
        names = (plugin.java_class, *plugin.also)
        return next(
            (found for found in names if name == found or name in aliases(kind, found)),
            plugin.java_class,
        )

    def versions(self, java_class: str) -> str:
        """Give the version of a class, once for each kind of plugin that it is."""
        kinds = [kind for kind in KINDS if (kind, java_class) in self._by_name]
        return ", ".join(self._by_name[kind, java_class].version for kind in kinds)

    def _is_hidden(self, kind: Kind, name: str) -> bool:
        plugin = self._by_name[kind, name]
        return plugin.hidden and name != plugin.java_class

    def _described(self, only: set[str] | None = None) -> str:
        return ", ".join(
            f"PluginDesc{{klass=class {name}, name='{name}', version='{plugin.version}', "
            f"encodedVersion={plugin.version}, type={kind}, typeName='{kind}', "
            "location='classpath'}"
            for (kind, name), plugin in sorted(self._by_name.items(), key=lambda item: item[0][1])
            if kind in _CONNECTORS and (only is None or name in only)
        )


def aliases(kind: Kind, java_class: str) -> tuple[str, ...]:
    """Give the short names of a class: simple, and without its kind's suffix; none when nested."""
    simple = java_class.rpartition(".")[2]
    if "$" in simple:
        return ()
    pruned = simple.removesuffix(_SUFFIXES[kind])
    return (simple, pruned) if pruned and pruned != simple else (simple,)


def check_version(
    java_class: str, available: str, wanted: str | None, known: str | None = None
) -> None:
    """Raise PluginVersionError when `available` is not in the range `wanted` (Maven's notation).

    `known` are the versions to name then. Raises BadRequestError for a range that cannot be read.
    """
    if wanted is None or not wanted.strip() or wanted.strip() == "latest":
        return
    ranges = _ranges(wanted.strip())
    if not any(bounds.contains(available) for bounds in ranges):
        shown = ",".join(str(bounds) for bounds in ranges)
        raise PluginVersionError(
            f"Plugin {java_class} not found that matches the version range {shown}, "
            f"available versions: [{known or available}]"
        )


class _Range:
    """One interval of versions."""

    def __init__(self, text: str) -> None:
        self._low_closed, self._high_closed = text[0] == "[", text[-1] == "]"
        low, comma, high = text[1:-1].partition(",")
        self._low = low.strip()
        self._high = high.strip() if comma else self._low
        closed = self._low_closed and self._high_closed
        if not comma and not closed:
            raise BadRequestError(f"Single version must be surrounded by []: {text}")
        if self._low and self._high:
            bounds = _version_key(self._low), _version_key(self._high)
            if bounds[1] < bounds[0] or (bounds[0] == bounds[1] and not closed):
                raise BadRequestError(f"Range defies version ordering: {text}")

    def begins_after(self, before: _Range) -> bool:
        """Tell whether this one has nothing in common with the one before it."""
        if not before._high:
            return True
        return bool(self._low) and _version_key(self._low) >= _version_key(before._high)

    def contains(self, version: str) -> bool:
        key = _version_key(version)
        if self._low:
            low = _version_key(self._low)
            if key < low or (key == low and not self._low_closed):
                return False
        if self._high:
            high = _version_key(self._high)
            if key > high or (key == high and not self._high_closed):
                return False
        return True

    def __str__(self) -> str:
        opening, closing = "[" if self._low_closed else "(", "]" if self._high_closed else ")"
        return f"{opening}{self._low},{self._high}{closing}"


def _ranges(text: str) -> list[_Range]:
    """Read a specification; a bare version means it alone. Raises BadRequestError in Maven's words."""
    spec = left = text if text[0] in "[(" else f"[{text}]"
    found: list[_Range] = []
    while left[:1] in ("[", "("):
        end = min((at for at in (left.find(")"), left.find("]")) if at >= 0), default=None)
        if end is None:
            raise BadRequestError(f"Unbounded range: {spec}")
        one = _Range(left[: end + 1])
        if found and not one.begins_after(found[-1]):
            raise BadRequestError(f"Ranges overlap: {spec}")
        found.append(one)
        left = left[end + 1 :].strip().removeprefix(",").strip()
    if left:
        raise BadRequestError(
            f"Only fully-qualified sets allowed in multiple set scenario: {spec}"
        )
    return found


def _version_key(version: str) -> list[tuple[int, int, str]]:
    parts = [part for part in re.split(r"[.\-]", version) if part]
    while parts and parts[-1] in ("0", "Final", "GA"):
        parts.pop()
    return [(1, int(part), "") if part.isdigit() else (0, 0, part.lower()) for part in parts]


def _built_in() -> Iterator[Plugin]:
    connectors = importlib.import_module("appliance.connectors")
    for module in connectors.BUILTIN:
        yield from importlib.import_module(module).PLUGINS
    for package in ("converters", "transforms", "predicates"):
        yield from importlib.import_module(f"appliance.{package}").PLUGINS


def _registered(plugin_path: Sequence[str]) -> Iterator[Plugin]:
    points = [
        (distribution, point)
        for distribution in importlib.metadata.distributions(path=[*sys.path, *plugin_path])
        for point in distribution.entry_points
        if point.group.startswith(ENTRY_POINT_GROUP)
    ]
    tasks = {point.name: point.value for _, point in points if point.group == TASK_GROUP}
    for distribution, point in points:
        kind: Any = point.group.removeprefix(ENTRY_POINT_GROUP)
        if kind in KINDS:
            yield Plugin(
                kind,
                point.name,
                point.value,
                distribution.version,
                tasks.get(point.name),
                path=str(distribution.locate_file("")),
            )
