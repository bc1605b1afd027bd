"""FileStream beside the peer in one run: CPU-seconds per million lines, from file to topic and back.

    python -m tests.benchmarks.filestream [--rows N] [--rounds N]

New connectors each round: a source reads a file of narrow lines into a topic (JSON with schema, lz4), then
a sink writes that topic into a file, which must equal the first one. The best round counts.
"""

from __future__ import annotations

import argparse
import functools
import random
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks import workloads
from tests.benchmarks.contestants import TUNED, Contestant, Topics, broker, folder, ours, peer
from tests.benchmarks.processes import machine
from tests.waiting import wait_until

JAVA = "org.apache.kafka.connect.file.FileStream{}Connector"


def to_topic(each: Contestant, topics: Topics, file: Path, name: str, rows: int) -> float:
    """Read the file into the topic `name`; give CPU-seconds per million lines."""
    config = {"connector.class": JAVA.format("Source"), "file": str(file), "topic": name}
    cpu = each.cpu_s()
    each.call("PUT", f"connectors/{name}/config", config)
    topics.wait(name, rows, check=functools.partial(each.check, name))
    cost = (each.cpu_s() - cpu) / rows * 1e6
    each.delete(name)
    return cost


def to_file(each: Contestant, file: Path, name: str, rows: int) -> float:
    """Write the topic `name` into a file that must become like `file`; give the same."""
    out = file.with_name(f"{name}.out")
    java = JAVA.format("Sink")
    config = {"connector.class": java, "file": str(out), "topics": name}
    cpu = each.cpu_s()
    each.call("PUT", f"connectors/{name}-out/config", config)
    size = file.stat().st_size

    def written() -> bool:
        each.check(f"{name}-out")
        return out.exists() and out.stat().st_size >= size

    wait_until(written, f"all {size} bytes come from {each.name}", 300, 0.1)
    cost = (each.cpu_s() - cpu) / rows * 1e6
    assert out.read_bytes() == file.read_bytes()
    each.delete(f"{name}-out")
    return cost


def main() -> None:
    """Run all rounds, the contestants in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    print(machine())
    with ExitStack() as stack:
        home = stack.enter_context(folder())
        bootstrap = stack.enter_context(broker(home)).bootstrap
        file = home / "lines.txt"
        dice = random.Random(7)
        with file.open("w") as out:
            for number in range(chosen.rows):
                out.write(",".join(map(str, workloads.narrow(number, dice))) + "\n")
        contestants = [stack.enter_context(make(home, bootstrap, TUNED)) for make in (peer, ours)]
        topics = Topics(bootstrap)
        costs: dict[tuple[str, str], list[float]] = {}
        for number in range(chosen.rounds):
            for each in contestants:
                name = f"{each.name}{number}"
                source = to_topic(each, topics, file, name, chosen.rows)
                sink = to_file(each, file, name, chosen.rows)
                costs.setdefault((each.name, "source"), []).append(source)
                costs.setdefault((each.name, "sink"), []).append(sink)
                print(f"{name}: source {source:.2f}, sink {sink:.2f} CPU-s/M", flush=True)
        for side in ("source", "sink"):
            best = {each.name: min(costs[each.name, side]) for each in contestants}
            print(
                f"{side}: peer {best['peer']:.2f}, ours {best['ours']:.2f} CPU-s/M, "
                f"ratio {best['peer'] / best['ours']:.2f}"
            )
        topics.close()


if __name__ == "__main__":
    main()
