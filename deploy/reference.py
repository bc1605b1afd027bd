"""The reference of every option as a Markdown page, made from the definitions themselves.

`python3 -m deploy.reference` writes `appliance/REFERENCE.md`, which the package ships; a unit test fails
when the page is not current.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from appliance.api.plugin import Kind, Plugin
from appliance.config.connector import CONNECTOR_KEYS, SINK_KEYS, SOURCE_KEYS
from appliance.config.connectorfile import OWNER_KEY
from appliance.config.define import ConfigDef, ConfigKey
from appliance.config.types import text_of
from appliance.config.worker import APPLIANCE_PREFIX
from appliance.config.worker_keys import DISTRIBUTED_KEYS, RUN_DEFAULTS, STANDALONE_KEYS
from appliance.worker.plugins import Plugins

PAGE = Path(__file__).resolve().parents[1] / "appliance/REFERENCE.md"

_HEAD = """\
# Reference of every option

Made by `make docs` from the definitions that the daemon itself parses with. Names, types and defaults are
those of Kafka Connect 4.3.1, Debezium 3.6, and Confluent's JDBC and HDFS connectors; what is ours begins
with `appliance.`. A default in **bold** must be given. What Kafka Connect allows beside these (`producer.`,
`consumer.`, `admin.`, `key.converter.` and the like as prefixes) is allowed here too.
"""
_KINDS: Mapping[str, tuple[Kind, ...]] = {
    "Source connectors": ("source",),
    "Sink connectors": ("sink",),
    "Converters": ("converter", "header_converter"),
    "Transforms": ("transformation",),
    "Predicates": ("predicate",),
}
_WORDS = {
    "Source connectors": "Beside these each has the options of [every source](#every-source-connector).",
    "Sink connectors": "Beside these each has the options of [every sink](#every-sink-connector).",
    "Converters": "Written behind `key.converter.`, `value.converter.` or `header.converter.`.",
    "Transforms": "Written behind `transforms.<alias>.`.",
    "Predicates": "Written behind `predicates.<alias>.`.",
}


def page() -> str:
    """Give the page."""
    return "\n".join(_sections()).rstrip("\n") + "\n"


def _sections() -> Iterator[str]:
    yield _HEAD
    own = [key for key in _shown(DISTRIBUTED_KEYS) if key.name.startswith(APPLIANCE_PREFIX)]
    connect = [key for key in _shown(DISTRIBUTED_KEYS) if key not in own]
    names = {key.name for key in connect} | {key.name for key in own}
    alone = [key for key in _shown(STANDALONE_KEYS) if key.name not in names]
    yield "## Worker\n\n### Ours\n"
    yield _table(own)
    yield "### Kafka Connect's\n\nUnder `run` these begin with other defaults:\n"
    yield _pairs(RUN_DEFAULTS)
    yield _table(connect)
    yield "### Standalone alone\n"
    yield _table(alone)
    yield "## Every source connector\n"
    yield _table(_shown(SOURCE_KEYS))
    yield "## Every sink connector\n"
    yield f"The first {len(CONNECTOR_KEYS.keys)} are those of a source too.\n"
    yield _table(_shown(SINK_KEYS))
    yield (
        f"`{OWNER_KEY}` in a connector's configuration is set by the daemon: the file that owns it.\n"
    )
    plugins = Plugins.discover()
    for title, kinds in _KINDS.items():
        yield f"## {title}\n\n{_WORDS[title]}\n"
        for names_of, definition in _plugins(plugins, kinds):
            yield f"### {names_of}\n"
            keys = list(_shown(definition))
            yield _table(keys) if keys else "No options.\n"


def _plugins(plugins: Plugins, kinds: Iterable[Kind]) -> Iterator[tuple[str, ConfigDef]]:
    """Give title and options of each plugin; `$Key` and `$Value` of a transform go together."""
    seen: dict[str, ConfigDef] = {}
    for kind in kinds:
        for name in plugins.classes(kind):
            plugin: Plugin = plugins.find(kind, name)
            stem, _, nested = plugin.java_class.partition("$")
            title = f"{stem}$Key, $Value" if nested in ("Key", "Value") else plugin.java_class
            seen.setdefault(title, plugin.load().config_def)
    yield from sorted(seen.items(), key=lambda item: item[0].partition("$")[0].rpartition(".")[2])


def _shown(definition: ConfigDef) -> Iterator[ConfigKey]:
    return (key for key in definition.keys.values() if not key.internal)


def _table(keys: Iterable[ConfigKey]) -> str:
    rows = ["| option | type | default | what it means |", "| --- | --- | --- | --- |"]
    rows += [
        f"| `{key.name}` | {key.type.value.lower()} | {_default(key)} | {_meaning(key)} |"
        for key in keys
    ]
    return "\n".join(rows) + "\n"


def _pairs(pairs: Mapping[str, str]) -> str:
    rows = ["| option | default under `run` |", "| --- | --- |"]
    rows += [f"| `{name}` | `{value}` |" for name, value in pairs.items()]
    return "\n".join(rows) + "\n"


def _default(key: ConfigKey) -> str:
    if key.required:
        return "**required**"
    text = text_of(key.default, key.type) if not isinstance(key.default, str) else key.default
    return "unset" if text is None else f"`{_code(text)}`" if text else "empty"


def _meaning(key: ConfigKey) -> str:
    parts = [_cell(key.doc)]
    valid = "" if key.validator is None else _validator_text(key.validator)
    if valid:
        parts.append(f"Valid: {_cell(valid)}.")
    if key.deprecated:
        parts.append(f"Deprecated: {_cell(key.deprecated)}")
    return " ".join(part for part in parts if part)


def _validator_text(validator: Any) -> str:
    text = str(validator)
    # a validator that only checks has no words of its own
    return "" if text.startswith("<") or " object at 0x" in text else text.rstrip(".")


def _cell(text: str) -> str:
    return _code(text).replace("<", "\\<")


def _code(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
