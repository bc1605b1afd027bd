"""Plugins are named as in Kafka Connect."""

from __future__ import annotations

import pytest

from appliance.api.plugin import Plugin
from appliance.errors import BadRequestError, ConfigError, NotFoundError
from appliance.worker.plugins import Plugins, PluginVersionError, check_version

FILE = "org.apache.kafka.connect.file.FileStream"
PLUGINS = Plugins(
    [
        Plugin("source", f"{FILE}SourceConnector", "x:Source"),
        Plugin("sink", f"{FILE}SinkConnector", "x:Sink"),
        Plugin("source", "a.TwinConnector", "x:A"),
        Plugin("source", "b.TwinConnector", "x:B"),
        Plugin("sink", "c.NewConnector", "x:C", "1.2.0", also=("c.OldConnector",), hidden=True),
        Plugin("converter", "org.apache.kafka.connect.json.JsonConverter", "x:Json"),
        Plugin("header_converter", "org.apache.kafka.connect.json.JsonConverter", "x:Json"),
        Plugin("transformation", "t.InsertField$Value", "x:Insert"),
    ]
)


@pytest.mark.parametrize(
    "name", [f"{FILE}SourceConnector", "FileStreamSourceConnector", "FileStreamSource"]
)
def test_connector_is_found_when_named_in_any_of_three_ways(name):
    """Full name, simple name and the name without Connector mean the same."""
    assert PLUGINS.find_connector(name).target == "x:Source"


def test_available_connectors_are_told_when_a_name_is_unknown():
    """The error lists what there is."""
    with pytest.raises(
        BadRequestError, match=r"matches Nope, available connectors are: PluginDesc"
    ):
        PLUGINS.find_connector("Nope")


def test_full_name_is_asked_for_when_an_alias_is_ambiguous():
    """Two classes of one simple name need their full names."""
    with pytest.raises(BadRequestError, match="More than one connector matches alias Twin"):
        PLUGINS.find_connector("Twin")
    assert PLUGINS.find_connector("b.TwinConnector").target == "x:B"


def test_other_class_names_work_but_are_not_listed_when_hidden():
    """A second class name finds the plugin without a line of its own."""
    assert PLUGINS.find_connector("c.OldConnector").target == "x:C"
    assert ("sink", "c.NewConnector", "1.2.0") in PLUGINS.listed()
    assert "c.OldConnector" not in [name for _, name, _ in PLUGINS.listed()]


def test_kinds_come_in_connects_order_when_listed():
    """Sinks, sources, transformations, predicates, converters, header converters."""
    kinds = [kind for kind, _, _ in PLUGINS.listed()]

    assert kinds == [
        *["sink"] * 2,
        *["source"] * 3,
        "transformation",
        "converter",
        "header_converter",
    ]
    assert {kind for kind, _, _ in PLUGINS.listed(connectors_only=True)} == {"sink", "source"}


def test_nested_class_has_no_alias_when_looked_up():
    """`InsertField$Value` needs its full name; other simple names work for every kind."""
    assert PLUGINS.lookup("transformation", "InsertField$Value") is None
    assert PLUGINS.find("converter", "Json").target == "x:Json"
    with pytest.raises(ConfigError, match=r"Class nope could not be found\."):
        PLUGINS.find("converter", "nope")
    with pytest.raises(NotFoundError, match=r"Unknown plugin InsertField\$Value\."):
        PLUGINS.find_any("InsertField$Value")


@pytest.mark.parametrize("wanted", [None, "4.3.1", "[4.0,5.0)", "(4.3,)", "[4.3.1]", "latest"])
def test_version_is_accepted_when_a_range_holds_it(wanted):
    """Bare versions are exact, ranges are Maven's."""
    check_version("c.X", "4.3.1", wanted)


@pytest.mark.parametrize(("wanted", "shown"), [("9.9", "[9.9,9.9]"), ("(4.3.1,5)", "(4.3.1,5)")])
def test_range_and_version_are_told_when_they_do_not_fit(wanted, shown):
    """The error names the range and what there is."""
    with pytest.raises(PluginVersionError) as caught:
        check_version("c.X", "4.3.1", wanted)
    assert str(caught.value) == (
        f"Plugin c.X not found that matches the version range {shown}, available versions: [4.3.1]"
    )


def test_open_range_is_refused_when_it_cannot_be_read():
    """A range without an end is a bad request."""
    with pytest.raises(BadRequestError, match=r"Unbounded range: \["):
        check_version("c.X", "4.3.1", "[")
