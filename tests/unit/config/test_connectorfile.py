"""Connector files are read in the three forms that Kafka Connect takes."""

from __future__ import annotations

import pytest

from appliance.config.connectorfile import connector_files, read_connector_file
from appliance.errors import ConfigError
from appliance.ids import TargetState


def test_three_forms_mean_the_same_when_read(tmp_path):
    """Properties, flat JSON and JSON with an inner config."""
    texts = {
        "a.properties": "name=x\ntopic=t\n",
        "b.json": '{"name":"x","topic":"t"}',
        "c.json": '{"name":"x","config":{"topic":"t"}}',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)

    found = [read_connector_file(path) for path in connector_files(tmp_path)]

    assert [(file.name, file.config) for file in found] == [("x", {"name": "x", "topic": "t"})] * 3


def test_initial_state_and_numbers_are_kept_when_given(tmp_path):
    """Scalars become texts; a state is one of three."""
    path = tmp_path / "c.json"
    path.write_text('{"name":"x","config":{"tasks.max":2,"b":true},"initial_state":"stopped"}')
    file = read_connector_file(path)

    assert file.target is TargetState.STOPPED
    assert file.config == {"tasks.max": "2", "b": "true", "name": "x"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{", "it is not JSON: .* at line 1, column 2"),
        ("a.properties", "topic=t", "names no connector"),
        ("a.json", '{"name":"x","config":{"name":"y"}}', r"\(y\) is not x"),
        ("a.json", '{"name":"x","config":{"a":[1]}}', "value of a is not a text"),
        ("a.json", '{"name":"x","config":{},"initial_state":"no"}', "none of RUNNING"),
    ],
)
def test_file_is_named_when_it_will_not_do(tmp_path, name, text, message):
    """The error names the file and what is wrong."""
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_connector_file(tmp_path / name)
