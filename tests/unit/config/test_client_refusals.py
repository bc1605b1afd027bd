"""Options of Kafka clients that are refused rather than dropped."""

from __future__ import annotations

import pytest

from appliance.config.client_refusals import refusals

OAUTH = "org.apache.kafka.common.security.oauthbearer."
TOKEN = "sasl.oauthbearer.token.endpoint.url"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ssl.protocol", "TLSv1.2"),
        ("ssl.enabled.protocols", "TLSv1.3"),
        ("ssl.enabled.protocols", "TLSv1.1,TLSv1.2,TLSv1.3"),
        ("ssl.provider", "BCFIPS"),
        ("security.providers", "a.Provider"),
        ("ssl.engine.factory.class", "a.Factory"),
        ("sasl.client.callback.handler.class", "a.Handler"),
        ("sasl.login.callback.handler.class", "a.Handler"),
        ("sasl.login.class", "a.Login"),
        ("sasl.oauthbearer.jwt.retriever.class", f"{OAUTH}JwtBearerJwtRetriever"),
        ("sasl.oauthbearer.jwt.validator.class", "a.Validator"),
    ],
)
def test_option_and_value_are_named_when_refused(name, value):
    """What would have no effect here is an error that says so."""
    assert f"Invalid value {value} for configuration {name}: " in refusals({name: value})[name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ssl.protocol", "TLSv1.3"),
        ("ssl.protocol", "TLS"),
        ("ssl.enabled.protocols", "TLSv1.2,TLSv1.3"),
        ("ssl.enabled.protocols", " TLSv1.3 , TLSv1.2"),
        ("ssl.enabled.protocols", ""),
        ("ssl.provider", ""),
        ("sasl.login.callback.handler.class", f"{OAUTH}OAuthBearerLoginCallbackHandler"),
        ("sasl.oauthbearer.jwt.retriever.class", f"{OAUTH}DefaultJwtRetriever"),
        ("interceptor.classes", "a.MonitoringInterceptor"),
        ("sasl.jaas.config", f"{OAUTH}OAuthBearerLoginModule required clientId=a;"),
    ],
)
def test_value_is_taken_when_it_says_what_is_done_anyway(name, value):
    """Kafka's own defaults, and what OAuth needs in Java, stand in many a file."""
    assert refusals({name: value}) == {}


@pytest.mark.parametrize(
    ("url", "allowed", "why"),
    [
        ("https://idp/token", (), None),
        ("http://idp/token", (), "must begin with https://"),
        ("file:///etc/passwd", (), "must begin with https://"),
        ("http://idp/token", ("http://idp/token",), None),
        ("https://other/token", ("http://idp/token",), "not among the worker's"),
        ("https://169.254.169.254/t", (), "link-local"),
        ("https://2852039166/t", (), "link-local"),
        ("https://[fe80::1]/t", (), "link-local"),
        ("https://[::ffff:169.254.169.254]/t", (), "link-local"),
        ("http://169.254.169.254/t", ("http://169.254.169.254/t",), "link-local"),
    ],
)
def test_token_server_is_asked_over_https_unless_listed(url, allowed, why):
    """The worker's list decides where there is one; link-local addresses are never asked."""
    found = refusals({TOKEN: url}, allowed)
    assert (why is None) == (found == {})
    assert why is None or why in found[TOKEN]


def test_credentials_are_not_told_when_an_address_is_refused():
    """Neither user and password nor what a query carries."""
    told = refusals({TOKEN: "http://u:s3cret@idp/token?key=s3cret"})[TOKEN]
    assert "http://idp/token is refused" in told
    assert "s3cret" not in told
