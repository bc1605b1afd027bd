"""The import rules that a row of floors cannot express; the floors stand in pyproject.toml."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASYNCIO_ALLOWED = ("appliance.rest", "tui", "appliance.connectors.jdbc")
KAFKA_LIBRARIES = {"confluent_kafka", "kafka", "aiokafka"}


def imported_names(path: Path, module: str) -> Iterator[str]:
    """Every dotted name that the file imports, relative imports resolved."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
            base = package[: len(package) + 1 - node.level] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def sources(*packages: str) -> Iterator[tuple[str, list[str]]]:
    """Each module of the packages by its dotted name, with what it imports."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = list(path.relative_to(ROOT).with_suffix("").parts)
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            yield module, list(imported_names(path, module))


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def test_client_needs_the_standard_library_alone_when_imported():
    """A console or script can copy `appliance.client`: it imports nothing else."""
    found = [
        name
        for module, names in sources("appliance")
        if within(module, "appliance.client")
        for name in names
        if name.split(".")[0] not in sys.stdlib_module_names
        and not within(name, "appliance.client")
    ]
    assert found == []


def test_tui_knows_nothing_of_appliance_but_the_client():
    """REST is the console's contract: `tui` imports `appliance.client` at most."""
    found = [
        (module, name)
        for module, names in sources("tui")
        for name in names
        if within(name, "appliance") and not within(name, "appliance.client")
    ]
    assert found == []


def test_verbs_share_with_the_console_what_needs_no_library():
    """The file of contexts has one reader; nothing else of `tui` is imported by the daemon's side."""
    shared = ("tui.contexts", "tui.revisions")
    found = {
        (module, name)
        for module, names in sources("appliance")
        for name in names
        if within(name, "tui")
        and not (within(module, "appliance.verbs") and any(within(name, one) for one in shared))
    }
    needs = {
        name.split(".")[0]
        for module, names in sources("tui")
        for name in names
        if module in shared
    }
    assert found == set()
    assert needs <= sys.stdlib_module_names


def test_asyncio_stays_in_rest_tui_and_one_module_of_jdbc():
    """The data path is plain loops: one module of `connectors.jdbc` hides asyncmy's loop."""
    users = [
        module
        for module, names in sources("appliance", "tui")
        if any(within(name, "asyncio") for name in names)
    ]
    strangers = [m for m in users if not any(within(m, package) for package in ASYNCIO_ALLOWED)]
    assert strangers == []
    assert len([m for m in users if within(m, "appliance.connectors.jdbc")]) <= 1


def test_kafka_libraries_are_imported_in_the_kafka_package_only():
    """Everything else talks to `appliance.kafka`."""
    found = [
        (module, name)
        for module, names in sources("appliance", "tui")
        if not within(module, "appliance.kafka")
        for name in names
        if name.split(".")[0] in KAFKA_LIBRARIES
    ]
    assert found == []


def test_third_party_seam_is_whole_when_plugins_import():
    """Built-in plugins see the plugin seam and what lies beneath it, and no other floor."""
    allowed = (
        *("api", "config", "data", "errors", "ids", "clock", "telemetry"),
        *("kafka", "schemaregistry", "connectors", "converters", "transforms", "predicates"),
    )
    found = [
        (module, name)
        for module, names in sources("appliance")
        if module.split(".")[1:2] and module.split(".")[1] in allowed[-4:]
        for name in names
        if within(name, "appliance")
        and name != "appliance.__version__"
        and name.split(".")[1] not in allowed
    ]
    assert found == []
