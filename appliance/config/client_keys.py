"""Kafka client options that a worker's own clients take: network, security, retries.

Names, types, defaults and ranges: Kafka 4.3.1 DistributedConfig, SslConfigs, SaslConfigs.
"""

from __future__ import annotations

from typing import Any, Final

from appliance.config.define import ConfigKey, ConfigType, Importance, Validator
from appliance.config.validators import OneOf, Range, at_least

_T = ConfigType
_HIGH, _MEDIUM, _LOW = Importance.HIGH, Importance.MEDIUM, Importance.LOW


def key(
    name: str,
    type_: ConfigType,
    default: Any,
    importance: Importance,
    doc: str,
    validator: Validator | None = None,
) -> ConfigKey:
    """Give a ConfigKey without group, as worker options are."""
    return ConfigKey(name, type_, default, validator=validator, importance=importance, doc=doc)


_PROTOCOLS: Final = OneOf(("SASL_SSL", "PLAINTEXT", "SSL", "SASL_PLAINTEXT"), ignore_case=True)

SSL_KEYS: Final = (
    key(
        "ssl.protocol",
        _T.STRING,
        "TLSv1.3",
        _MEDIUM,
        "Newest TLS version; TLSv1.3 and TLS are taken, Kafka clients offer both.",
    ),
    key("ssl.provider", _T.STRING, None, _MEDIUM, "Java security provider; refused here."),
    key(
        "ssl.cipher.suites",
        _T.LIST,
        "",
        _LOW,
        "Cipher suites to allow; empty allows the usual ones.",
    ),
    key(
        "ssl.enabled.protocols",
        _T.LIST,
        "TLSv1.2,TLSv1.3",
        _MEDIUM,
        "TLS versions to allow; REST alone can do with fewer, a Kafka client refuses others.",
    ),
    key(
        "ssl.keystore.type",
        _T.STRING,
        "JKS",
        _MEDIUM,
        "Format of the key store: PEM, PKCS12 or JKS.",
    ),
    key("ssl.keystore.location", _T.STRING, None, _HIGH, "File with our own key and certificate."),
    key("ssl.keystore.password", _T.PASSWORD, None, _HIGH, "Password of the key store file."),
    key("ssl.key.password", _T.PASSWORD, None, _HIGH, "Password of the private key."),
    key("ssl.keystore.key", _T.PASSWORD, None, _HIGH, "Private key as PEM text."),
    key(
        "ssl.keystore.certificate.chain",
        _T.PASSWORD,
        None,
        _HIGH,
        "Certificate chain as PEM text.",
    ),
    key(
        "ssl.truststore.certificates",
        _T.PASSWORD,
        None,
        _HIGH,
        "Trusted certificates as PEM text.",
    ),
    key(
        "ssl.truststore.type",
        _T.STRING,
        "JKS",
        _MEDIUM,
        "Format of the trust store: PEM, PKCS12 or JKS.",
    ),
    key("ssl.truststore.location", _T.STRING, None, _HIGH, "File with the certificates to trust."),
    key("ssl.truststore.password", _T.PASSWORD, None, _HIGH, "Password of the trust store file."),
    key(
        "ssl.keymanager.algorithm",
        _T.STRING,
        "SunX509",
        _LOW,
        "Java key manager; has no effect here.",
    ),
    key(
        "ssl.trustmanager.algorithm",
        _T.STRING,
        "PKIX",
        _LOW,
        "Java trust manager; has no effect here.",
    ),
    key(
        "ssl.endpoint.identification.algorithm",
        _T.STRING,
        "https",
        _LOW,
        "How a server's name is checked against its certificate; empty switches the check off.",
    ),
    key(
        "ssl.secure.random.implementation",
        _T.STRING,
        None,
        _LOW,
        "Java random number generator; has no effect here.",
    ),
    key("ssl.engine.factory.class", _T.CLASS, None, _LOW, "Java TLS engine; refused here."),
)

_SASL_KEYS: Final = (
    key(
        "sasl.kerberos.service.name",
        _T.STRING,
        None,
        _MEDIUM,
        "Kerberos principal name of the brokers.",
    ),
    key("sasl.kerberos.kinit.cmd", _T.STRING, "/usr/bin/kinit", _LOW, "Path of kinit."),
    key(
        "sasl.kerberos.ticket.renew.window.factor",
        _T.DOUBLE,
        0.8,
        _LOW,
        "Share of a ticket's life after which it is renewed.",
    ),
    key(
        "sasl.kerberos.ticket.renew.jitter",
        _T.DOUBLE,
        0.05,
        _LOW,
        "Random share added to the renewal time.",
    ),
    key(
        "sasl.kerberos.min.time.before.relogin",
        _T.LONG,
        60000,
        _LOW,
        "Least time between two logins, in milliseconds.",
    ),
    key(
        "sasl.login.refresh.window.factor",
        _T.DOUBLE,
        0.8,
        _LOW,
        "Share of a token's life after which it is renewed.",
        Range(0.5, 1.0),
    ),
    key(
        "sasl.login.refresh.window.jitter",
        _T.DOUBLE,
        0.05,
        _LOW,
        "Random share added to a token's renewal time.",
        Range(0.0, 0.25),
    ),
    key(
        "sasl.login.refresh.min.period.seconds",
        _T.SHORT,
        60,
        _LOW,
        "Least time between two renewals of a token, in seconds.",
        Range(0, 900),
    ),
    key(
        "sasl.login.refresh.buffer.seconds",
        _T.SHORT,
        300,
        _LOW,
        "Time before a token's end by which it is renewed, in seconds.",
        Range(0, 3600),
    ),
    key(
        "sasl.mechanism",
        _T.STRING,
        "GSSAPI",
        _MEDIUM,
        "SASL mechanism, for example SCRAM-SHA-512.",
    ),
    key(
        "sasl.jaas.config",
        _T.PASSWORD,
        None,
        _MEDIUM,
        "One of Kafka's three login modules with its options, as in JAAS; any other is refused.",
    ),
    key(
        "sasl.client.callback.handler.class",
        _T.CLASS,
        None,
        _MEDIUM,
        "Java callback handler; refused here.",
    ),
    key(
        "sasl.login.callback.handler.class",
        _T.CLASS,
        None,
        _MEDIUM,
        "Java login callback handler; only that of Kafka's OAUTHBEARER is taken.",
    ),
    key("sasl.login.class", _T.CLASS, None, _MEDIUM, "Java login class; refused here."),
    key(
        "sasl.login.connect.timeout.ms",
        _T.INT,
        None,
        _LOW,
        "Longest wait for a connection to the token server, in milliseconds.",
    ),
    key(
        "sasl.login.read.timeout.ms",
        _T.INT,
        None,
        _LOW,
        "Longest wait for an answer of the token server, in milliseconds.",
    ),
    key(
        "sasl.login.retry.backoff.max.ms",
        _T.LONG,
        10000,
        _LOW,
        "Longest pause between login attempts, in milliseconds.",
    ),
    key(
        "sasl.login.retry.backoff.ms",
        _T.LONG,
        100,
        _LOW,
        "First pause between login attempts, in milliseconds.",
    ),
)

_OAUTH: Final = "sasl.oauthbearer."
_DEFAULT_CLASS: Final = "org.apache.kafka.common.security.oauthbearer."
_OAUTH_KEYS: Final = (
    key(
        f"{_OAUTH}jwt.retriever.class",
        _T.CLASS,
        f"{_DEFAULT_CLASS}DefaultJwtRetriever",
        _MEDIUM,
        "Java class that fetches tokens; only this one is taken.",
    ),
    key(
        f"{_OAUTH}jwt.validator.class",
        _T.CLASS,
        f"{_DEFAULT_CLASS}DefaultJwtValidator",
        _MEDIUM,
        "Java class that checks tokens; only this one is taken.",
    ),
    key(f"{_OAUTH}scope", _T.STRING, None, _MEDIUM, "Scope asked for with a token."),
    key(
        f"{_OAUTH}client.credentials.client.id",
        _T.STRING,
        None,
        _MEDIUM,
        "Client id at the token server.",
    ),
    key(
        f"{_OAUTH}client.credentials.client.secret",
        _T.PASSWORD,
        None,
        _MEDIUM,
        "Client secret at the token server.",
    ),
    key(
        f"{_OAUTH}assertion.algorithm",
        _T.STRING,
        "RS256",
        _MEDIUM,
        "Algorithm that signs an assertion.",
        OneOf(("ES256", "RS256"), ignore_case=True),
    ),
    key(
        f"{_OAUTH}assertion.claim.aud", _T.STRING, None, _MEDIUM, "Audience claim of an assertion."
    ),
    key(
        f"{_OAUTH}assertion.claim.exp.seconds",
        _T.INT,
        300,
        _LOW,
        "Life of an assertion, in seconds.",
        Range(0, 86400),
    ),
    key(f"{_OAUTH}assertion.claim.iss", _T.STRING, None, _MEDIUM, "Issuer claim of an assertion."),
    key(
        f"{_OAUTH}assertion.claim.jti.include",
        _T.BOOLEAN,
        False,
        _MEDIUM,
        "Whether an assertion carries an id of its own.",
    ),
    key(
        f"{_OAUTH}assertion.claim.nbf.seconds",
        _T.INT,
        60,
        _LOW,
        "How far in the past an assertion becomes valid, in seconds.",
        Range(0, 3600),
    ),
    key(
        f"{_OAUTH}assertion.claim.sub", _T.STRING, None, _MEDIUM, "Subject claim of an assertion."
    ),
    key(f"{_OAUTH}assertion.file", _T.STRING, None, _MEDIUM, "File with a ready assertion."),
    key(
        f"{_OAUTH}assertion.private.key.file",
        _T.STRING,
        None,
        _MEDIUM,
        "File with the key that signs assertions.",
    ),
    key(
        f"{_OAUTH}assertion.private.key.passphrase",
        _T.PASSWORD,
        None,
        _MEDIUM,
        "Passphrase of that key.",
    ),
    key(
        f"{_OAUTH}assertion.template.file",
        _T.STRING,
        None,
        _MEDIUM,
        "File with further claims of an assertion.",
    ),
    key(f"{_OAUTH}scope.claim.name", _T.STRING, "scope", _LOW, "Claim that holds the scope."),
    key(f"{_OAUTH}sub.claim.name", _T.STRING, "sub", _LOW, "Claim that holds the subject."),
    key(
        f"{_OAUTH}token.endpoint.url",
        _T.STRING,
        None,
        _MEDIUM,
        "Address of the token server; see appliance.oauth.allowed.urls.",
    ),
    key(
        f"{_OAUTH}jwks.endpoint.url",
        _T.STRING,
        None,
        _MEDIUM,
        "Address of the key set that verifies tokens.",
    ),
    key(
        f"{_OAUTH}jwks.endpoint.refresh.ms",
        _T.LONG,
        3600000,
        _LOW,
        "Time between reads of the key set, in milliseconds.",
    ),
    key(
        f"{_OAUTH}jwks.endpoint.retry.backoff.max.ms",
        _T.LONG,
        10000,
        _LOW,
        "Longest pause between such reads after a failure, in milliseconds.",
    ),
    key(
        f"{_OAUTH}jwks.endpoint.retry.backoff.ms",
        _T.LONG,
        100,
        _LOW,
        "First pause between such reads after a failure, in milliseconds.",
    ),
    key(
        f"{_OAUTH}clock.skew.seconds",
        _T.INT,
        30,
        _LOW,
        "Difference of clocks that is forgiven, in seconds.",
    ),
    key(f"{_OAUTH}expected.audience", _T.LIST, "", _HIGH, "Audiences that a token may name."),
    key(f"{_OAUTH}expected.issuer", _T.STRING, None, _HIGH, "Issuer that a token must name."),
    key(
        f"{_OAUTH}header.urlencode",
        _T.BOOLEAN,
        False,
        _LOW,
        "Whether client id and secret are URL-encoded.",
    ),
)

_NETWORK_KEYS: Final = (
    key(
        "metadata.max.age.ms",
        _T.LONG,
        300000,
        _LOW,
        "Age at which cluster metadata is read anew, in milliseconds.",
        at_least(0),
    ),
    key("client.id", _T.STRING, "", _LOW, "Name shown in the brokers' logs and quotas."),
    key(
        "send.buffer.bytes",
        _T.INT,
        131072,
        _MEDIUM,
        "TCP send buffer; -1 takes the system's.",
        at_least(-1),
    ),
    key(
        "receive.buffer.bytes",
        _T.INT,
        32768,
        _MEDIUM,
        "TCP receive buffer; -1 takes the system's.",
        at_least(-1),
    ),
    key(
        "reconnect.backoff.ms",
        _T.LONG,
        50,
        _LOW,
        "First pause before connecting again, in milliseconds.",
        at_least(0),
    ),
    key(
        "reconnect.backoff.max.ms",
        _T.LONG,
        1000,
        _LOW,
        "Longest pause before connecting again, in milliseconds.",
        at_least(0),
    ),
    key(
        "socket.connection.setup.timeout.ms",
        _T.LONG,
        10000,
        _LOW,
        "Longest wait for a connection, in milliseconds.",
        at_least(0),
    ),
    key(
        "socket.connection.setup.timeout.max.ms",
        _T.LONG,
        30000,
        _LOW,
        "Bound of that wait after several failures, in milliseconds.",
        at_least(0),
    ),
    key(
        "retry.backoff.ms",
        _T.LONG,
        100,
        _LOW,
        "First pause before a request is repeated, in milliseconds.",
        at_least(0),
    ),
    key(
        "retry.backoff.max.ms",
        _T.LONG,
        1000,
        _LOW,
        "Longest pause before a request is repeated, in milliseconds.",
        at_least(0),
    ),
    key(
        "request.timeout.ms",
        _T.INT,
        40000,
        _MEDIUM,
        "Longest wait for a broker's answer, in milliseconds.",
        at_least(0),
    ),
    key(
        "connections.max.idle.ms",
        _T.LONG,
        540000,
        _MEDIUM,
        "Idle time after which a connection is closed, in milliseconds.",
    ),
    key(
        "security.protocol",
        _T.STRING,
        "PLAINTEXT",
        _MEDIUM,
        "How brokers are reached: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.",
        _PROTOCOLS,
    ),
    key(
        "metadata.recovery.strategy",
        _T.STRING,
        "rebootstrap",
        _LOW,
        "What happens when no known broker answers.",
        OneOf(("REBOOTSTRAP", "NONE"), ignore_case=True),
    ),
    key(
        "metadata.recovery.rebootstrap.trigger.ms",
        _T.LONG,
        300000,
        _LOW,
        "How long no broker may answer before starting over, in milliseconds.",
        at_least(0),
    ),
)

CLIENT_KEYS: Final = (*_NETWORK_KEYS, *_SASL_KEYS, *_OAUTH_KEYS)
"""What a distributed worker's own clients take beside SSL_KEYS."""
