"""HDFS sink: CPU-seconds per million records for Avro, Parquet and JSON files.

    python -m tests.benchmarks.hdfs_sink [--rows N] [--rounds N] [--formats avro,parquet,json]

A topic of narrow rows (as Connect's JsonConverter writes them, with schema, lz4) goes into four files on a real NameNode and DataNode, by a
new connector each round. Counted is the CPU of all processes of the daemon from its creation until the
last file has its name. The best round counts.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from contextlib import ExitStack
from typing import Any

from confluent_kafka import Producer
from hdfs import InsecureClient

from appliance.converters.json import JsonConverter
from appliance.data import SchemaBuilder
from appliance.data.schema import INT32_SCHEMA, STRING_SCHEMA
from deploy.parts import Hdfs
from tests.benchmarks import workloads
from tests.benchmarks.contestants import Contestant, broker, folder, ours
from tests.benchmarks.processes import machine, memory_mb
from tests.waiting import wait_until

GATES = {"avro": 5.0, "parquet": 3.5, "json": 2.0}
FORMATS = {
    "avro": "io.confluent.connect.hdfs3.avro.AvroFormat",
    "parquet": "io.confluent.connect.hdfs3.parquet.ParquetFormat",
    "json": "io.confluent.connect.hdfs3.json.JsonFormat",
}
FIELDS = ("emp_no", "birth_date", "first_name", "last_name", "gender", "hire_date")


def fill(bootstrap: str, topic: str, rows: int) -> None:
    """Write narrow rows into a topic, byte for byte as Kafka Connect's JsonConverter writes them."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "compression.type": "lz4", "linger.ms": 20}
    )
    schema = SchemaBuilder.struct().name("t")
    for name in FIELDS:
        schema.field(name, INT32_SCHEMA if name == "emp_no" else STRING_SCHEMA)
    converter = JsonConverter()
    converter.configure({}, is_key=False)
    encode = converter.encoder(topic, schema.build())
    dice = random.Random(7)
    for number in range(rows):
        (record,) = encode([workloads.narrow(number, dice)], ())
        while True:
            try:
                producer.produce(topic, record)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush(60)


def committed(client: Any, root: str) -> int:
    """Count the records in the files that have their names."""
    found = 0
    try:
        for _, _, names in client.walk(f"{root}/topics/narrow"):
            for name in names:
                first, last = name.split(".")[0].split("+")[2:]
                found += int(last) - int(first) + 1
    except Exception:
        return 0
    return found


def measure(each: Contestant, hdfs: Hdfs, form: str, number: int, rows: int) -> float:
    """Run one round; give CPU-seconds per million records."""
    name, root = f"{form}{number}", f"/{form}{number}"
    client = InsecureClient(hdfs.url, user=hdfs.user)
    config = {
        "connector.class": "io.confluent.connect.hdfs3.Hdfs3SinkConnector",
        "topics": "narrow",
        "hdfs.url": f"{hdfs.fs}{root}",
        "hadoop.conf.dir": str(hdfs.conf),
        "format.class": FORMATS[form],
        "flush.size": str(rows // 4),
    }
    cpu, began = each.cpu_s(), time.monotonic()
    each.call("PUT", f"connectors/{name}/config", config)

    def written() -> bool:
        each.check(name)
        return committed(client, root) >= rows

    wait_until(written, f"all {rows} records come as {form}", 300, 0.2)
    cost = (each.cpu_s() - cpu) / rows * 1e6
    took = time.monotonic() - began
    print(
        f"{form} round {number + 1}: {cost:.2f} CPU-s/M, {rows / took:,.0f} records/s, "
        f"{memory_mb(each.pid):.0f} MB",
        flush=True,
    )
    each.delete(name)
    return cost


def main() -> None:
    """Run all formats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--formats", default="avro,parquet,json")
    chosen = parser.parse_args()
    print(machine())
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        bootstrap = stack.enter_context(broker(home)).bootstrap
        fill(bootstrap, "narrow", chosen.rows)
        hdfs = stack.enter_context(Hdfs(home / "hdfs"))
        os.environ["HADOOP_USER_NAME"] = hdfs.user
        each = stack.enter_context(ours(home, bootstrap, {}))
        for form in chosen.formats.split(","):
            costs = [
                measure(each, hdfs, form, number, chosen.rows) for number in range(chosen.rounds)
            ]
            print(f"HDFS {form}: {min(costs):.2f} CPU-s/M (at most {GATES[form]})", flush=True)


if __name__ == "__main__":
    main()
