"""What the data layer costs per narrow record: converters and a chain of transforms, without Kafka.

    python -m tests.benchmarks.data_layer [--rows N] [--rounds N] [--peer]

Encodes and decodes batches as the runtime does and gives CPU microseconds per record, the best of all rounds,
beside the limit that is to be kept; with `--peer` also what Kafka Connect's classes take for the same rows in
the same minute (DataLayer.java; Confluent's Avro converter is on no public repository). The last line is a fixed loop timed in the same run, so that machines can
be compared. Exits with 1 when a limit is passed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from appliance.api import Batch
from appliance.converters.json import JsonConverter
from appliance.data import Schema, SchemaBuilder, Type
from appliance.schemaregistry.avrodata import avro_encoder, avro_schema
from appliance.schemaregistry.avroreader import avro_reader
from appliance.transforms import PLUGINS
from deploy.parts.connect import obtain_connect
from deploy.parts.java import obtain_java

NARROW = (
    SchemaBuilder.struct()
    .name("employees.Value")
    .field("emp_no", Schema(Type.INT32))
    .field("birth_date", Schema(Type.INT32, name="io.debezium.time.Date", version=1))
    .field("first_name", Schema(Type.STRING))
    .field("last_name", Schema(Type.STRING))
    .field("gender", Schema(Type.STRING))
    .field("hire_date", Schema(Type.INT32, name="io.debezium.time.Date", version=1))
    .build()
)
CHAIN = (
    ("InsertField$Value", {"static.field": "site", "static.value": "north"}),
    ("ReplaceField$Value", {"renames": "emp_no:id"}),
    ("Cast$Value", {"spec": "id:string"}),
    ("RegexRouter", {"regex": "(.*)", "replacement": "copy.$1"}),
)


def rows(count: int) -> list[tuple[Any, ...]]:
    """Give rows that differ as those of a table do."""
    return [
        (
            10_000 + i,
            -5000 + i % 900,
            f"Georgi{i % 97}",
            f"Facello{i % 1013}",
            "MF"[i % 2],
            i % 500,
        )
        for i in range(count)
    ]


def best_us(call: Callable[[], Any], records: int, rounds: int) -> float:
    """Give the least CPU time of a call, in microseconds per record."""
    times = []
    for _ in range(rounds):
        began = time.process_time_ns()
        call()
        times.append(time.process_time_ns() - began)
    return min(times) / 1000 / records


def chain() -> Callable[[Batch], list[Batch]]:
    """Give the chain of four as one function over a batch."""
    transforms = []
    for name, options in CHAIN:
        wanted = f"org.apache.kafka.connect.transforms.{name}"
        transform = next(p for p in PLUGINS if p.java_class == wanted).load()()
        transform.configure(options)
        transforms.append(transform)

    def run(batch: Batch) -> list[Batch]:
        batches = [batch]
        for transform in transforms:
            batches = [
                made
                for one in batches
                for made in transform.compile(one.key_schema, one.value_schema)(one)
            ]
        return batches

    return run


def measured(table: list[tuple[Any, ...]], rounds: int) -> list[tuple[str, float, float]]:
    """Give name, microseconds per record and limit of every step."""
    converter = JsonConverter()
    converter.configure({}, is_key=False)
    encode = converter.encoder("t", NARROW)
    payloads = encode(table, ())
    converter.decode("t", payloads[:1])
    avro = avro_encoder(NARROW)
    read = avro_reader(json.dumps(avro_schema(NARROW))).read
    bodies = avro(table)
    run = chain()
    batch = Batch("t", table, NARROW, offsets=range(len(table)))

    def decode_avro() -> list[Any]:
        return [read(body, 0) for body in bodies]

    steps: Sequence[tuple[str, Callable[[], Any], float]] = (
        ("JSON envelope written", lambda: encode(table, ()), 0.5),
        ("JSON envelope read", lambda: converter.decode("t", payloads), 0.8),
        ("Avro written", lambda: avro(table), 1.0),
        ("Avro read", decode_avro, 2.0),
        ("chain of four", lambda: run(batch), 2.0),
    )
    return [(name, best_us(call, len(table), rounds), limit) for name, call, limit in steps]


def loop_us() -> float:
    """Give the time of a fixed piece of work, four additions."""

    def loop() -> None:
        total = 0
        for i in range(40_000):
            total += i

    return best_us(loop, 10_000, 20)


def peer_us(rows: int) -> dict[str, float]:
    """Give the microseconds per record of the peer's classes, by the names of our steps."""
    program = Path(__file__).with_name("DataLayer.java")
    command = [obtain_java(), "-cp", f"{obtain_connect()}/*", str(program), str(rows)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"{done.stderr.strip()[-500:]}\nThe peer's side is compiled when it runs, which needs a JDK "
            "of 17 or later: apt-get install default-jdk-headless, or name one in JAVA_HOME."
        )
    pairs = (line.split("\t") for line in done.stdout.splitlines())
    return {name: float(cost) for name, cost in pairs}


def main() -> int:
    """Measure, print, and say whether all limits are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--peer", action="store_true", help="the peer's classes beside ours")
    options = parser.parse_args()
    found = measured(rows(options.rows), options.rounds)
    peer = peer_us(options.rows) if options.peer else {}
    for name, cost, limit in found:
        beside = f"  peer {peer[name]:6.3f} us" if name in peer else ""
        print(f"{name:<24} {cost:6.3f} us  (limit {limit:g}){beside}")
    print(f"{'four additions':<24} {loop_us():6.3f} us")
    return 1 if any(cost > limit for _, cost, limit in found) else 0


if __name__ == "__main__":
    sys.exit(main())
