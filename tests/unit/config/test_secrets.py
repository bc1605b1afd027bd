"""What is hidden of a configuration wherever it is shown."""

from __future__ import annotations

import pytest

from appliance.config.secrets import masked


@pytest.mark.parametrize(
    "name",
    [
        "database.password",
        "ssl.key.password",
        "producer.override.ssl.keystore.key",
        "sasl.jaas.config",
        "schema.registry.bearer.auth.token",
        "value.converter.basic.auth.user.info",
    ],
)
def test_value_is_hidden_when_the_option_holds_a_secret(name):
    """Its text stands nowhere in what is shown."""
    assert "hush" not in str(masked({name: "hush"}))


@pytest.mark.parametrize(
    "name",
    [
        "ssl.keystore.location",
        "ssl.keystore.type",
        "topics",
        "value.converter.basic.auth.credentials.source",
    ],
)
def test_value_is_shown_when_the_option_holds_none(name):
    """A path to a keystore is what one looks for when a connection fails."""
    assert masked({name: "plain"}) == {name: "plain"}
