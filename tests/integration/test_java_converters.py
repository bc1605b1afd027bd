"""What a Java worker writes the daemon reads, and back, through real topics, with each of Apache's converters.

A line of a file is made a value of the converter's type by Cast or HoistField in the source; the sink on
the other side writes it down as text. ByteArrayConverter stands in `tests/golden`: no connector that comes
with Kafka makes bytes.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

from deploy.parts import free_ports
from deploy.parts.connect import ConnectWorker
from tests.daemon import Daemon, worker_options
from tests.waiting import wait_until

PRIMITIVE = "org.apache.kafka.connect.converters."
JSON = "org.apache.kafka.connect.json.JsonConverter"
LINES = ("one", "Adéu \U0001f600", '{"a": "b"}')


class Form(NamedTuple):
    """A converter, how a line becomes its value, the lines, and the sink's text of one."""

    converter: str
    transform: dict[str, str]
    lines: tuple[str, ...]
    text: str = "{}"
    options: tuple[tuple[str, str], ...] = ()


def cast(kind: str, *lines: str) -> Form:
    name = {"int16": "Short", "int32": "Integer", "int64": "Long"}.get(kind)
    name = name or kind.removesuffix("32").removesuffix("64").capitalize()
    name = {"Float": "Double" if kind == "float64" else "Float"}.get(name, name)
    return Form(f"{PRIMITIVE}{name}Converter", {"type": "Cast$Value", "spec": kind}, lines)


HOIST = {"type": "HoistField$Value", "field": "line"}
FORMS = {
    "string": Form("org.apache.kafka.connect.storage.StringConverter", {}, LINES),
    "json": Form(JSON, HOIST, LINES, "Struct{{line={}}}"),
    "plain": Form(JSON, HOIST, LINES, "{{line={}}}", (("schemas.enable", "false"),)),
    "boolean": cast("boolean", "true", "false", "true"),
    "short": cast("int16", "0", "-32768", "32767"),
    "integer": cast("int32", "7", "-2147483648", "2147483647"),
    "long": cast("int64", "7", "-9223372036854775808", "9223372036854775807"),
    "float": cast("float32", "1.5", "-0.0", "3.4028235E38"),
    "double": cast("float64", "1.5", "4.9E-324", "1.0E21"),
}


def configs(form: Form, source: Path, topic: str, sink: Path) -> list[dict[str, str]]:
    """Give the source and the sink of one converter."""
    common = {"value.converter": form.converter, "tasks.max": "1"}
    common |= {f"value.converter.{name}": value for name, value in form.options}
    transforms = {f"transforms.t.{name}": value for name, value in form.transform.items()}
    if transforms:
        transforms["transforms"] = "t"
        transforms["transforms.t.type"] = (
            f"org.apache.kafka.connect.transforms.{form.transform['type']}"
        )
    return [
        {
            **common,
            **transforms,
            "connector.class": "FileStreamSource",
            "file": str(source),
            "topic": topic,
        },
        {**common, "connector.class": "FileStreamSink", "file": str(sink), "topics": topic},
    ]


def put(url: str, name: str, config: dict[str, str]) -> Any:
    """Make a connector; a worker in the middle of a rebalance is asked again."""

    def answered() -> bool:
        request = urllib.request.Request(
            f"{url}/connectors/{name}/config",
            json.dumps(config).encode(),
            {"Content-Type": "application/json"},
            method="PUT",
        )
        try:
            urllib.request.urlopen(request, timeout=30).close()
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 409:
                    raise AssertionError(f"{name}: {error.read()!r}") from error
            return False
        return True

    wait_until(answered, f"{name} at {url}", 60)


def test_values_pass_between_java_and_the_daemon_with_every_converter(
    broker, unique_name, tmp_path
):
    """Each line arrives as the same text, written by Java and read here, and the other way round."""
    java_port, port = free_ports(2)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    options = worker_options(broker.bootstrap, f"{unique_name}-java", java_port)
    java = ConnectWorker(
        tmp_path / "java",
        broker.bootstrap,
        java_port,
        properties={**options, "plugin.path": plugins},
    )
    ours = worker_options(broker.bootstrap, unique_name, port)
    with java, Daemon(tmp_path, "distributed", ours) as daemon:
        outputs: dict[str, Path] = {}
        for name, form in FORMS.items():
            source = tmp_path / f"{name}.txt"
            source.write_text("".join(f"{line}\n" for line in form.lines), encoding="utf-8")
            for way, (writer, reader) in {
                "out": (daemon.url, java.url),
                "in": (java.url, daemon.url),
            }.items():
                outputs[f"{name}-{way}"] = sink = tmp_path / f"{name}-{way}.out"
                made = configs(form, source, f"{unique_name}-{name}-{way}", sink)
                put(writer, f"{name}-{way}-source", made[0])
                put(reader, f"{name}-{way}-sink", made[1])
        expected = {
            f"{name}-{way}": [form.text.format(line) for line in form.lines]
            for name, form in FORMS.items()
            for way in ("in", "out")
        }

        def arrived() -> dict[str, list[str]]:
            return {
                name: path.read_text(encoding="utf-8").splitlines() if path.exists() else []
                for name, path in outputs.items()
            }

        wait_until(lambda: sum(map(len, arrived().values())) >= 3 * len(expected), "lines", 120)

        assert arrived() == expected
