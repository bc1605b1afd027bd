"""Options of Kafka clients whose values cannot be honoured, and are refused rather than dropped.

The clients here are not Java: they load no classes, offer TLS 1.2 and 1.3, and log in by a fixed set of
mechanisms. A value that says what is done anyway, Kafka's default above all, is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final
from urllib.parse import urlsplit

from appliance.config.addresses import is_link_local
from appliance.config.jaas import login_options
from appliance.errors import ConfigError

ALLOWED_URLS: Final = "appliance.oauth.allowed.urls"
IDENTIFICATION: Final = "ssl.endpoint.identification.algorithm"
PROTOCOLS: Final = "ssl.enabled.protocols"
JAAS: Final = "sasl.jaas.config"
_OAUTH: Final = "org.apache.kafka.common.security.oauthbearer."
_CLASSES: Final[Mapping[str, tuple[str, ...]]] = {
    "ssl.provider": (),
    "security.providers": (),
    "ssl.engine.factory.class": (),
    "sasl.client.callback.handler.class": (),
    "sasl.login.callback.handler.class": (
        f"{_OAUTH}OAuthBearerLoginCallbackHandler",
        f"{_OAUTH}secured.OAuthBearerLoginCallbackHandler",
    ),
    "sasl.login.class": (),
    "sasl.oauthbearer.jwt.retriever.class": (f"{_OAUTH}DefaultJwtRetriever",),
    "sasl.oauthbearer.jwt.validator.class": (f"{_OAUTH}DefaultJwtValidator",),
}
"""Options that name Java code, with the classes that do what is done here."""
_URLS: Final = ("sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.jwks.endpoint.url")


def refusals(java: Mapping[str, str | None], allowed_urls: Collection[str] = ()) -> dict[str, str]:
    """Give why values are refused, by the option's name in `java`.

    `allowed_urls` are the worker's `appliance.oauth.allowed.urls`.
    """
    found = {}
    for name, text in java.items():
        value = text.strip() if isinstance(text, str) else ""
        if not value:
            continue
        if name in _URLS:
            why = _url_refusal(value, allowed_urls)
        else:
            why = _CHECKS[name](name, value) if name in _CHECKS else None
        if why is not None:
            found[name] = why
    return found


def check_client(java: Mapping[str, str], allowed_urls: Collection[str] = ()) -> None:
    """Refuse the options of a client. Raises ConfigError carrying every finding."""
    findings = tuple(refusals(java, allowed_urls).values())
    if findings:
        raise ConfigError("\n".join(findings), findings)


def names_unchecked(java: Mapping[str, str]) -> bool:
    """Tell whether brokers' certificates are not to be held against their names."""
    return java.get(IDENTIFICATION, "https").strip() == ""


def _class_refusal(name: str, value: str) -> str | None:
    if value in _CLASSES[name]:
        return None
    return str(ConfigError.invalid(name, value, "Java classes are not loaded here; remove it"))


def _newest_refusal(name: str, value: str) -> str | None:
    # TLS is Java's word for any version
    return None if value.upper() in ("TLSV1.3", "TLS") else _version_refusal(name, value)


def _protocols_refusal(name: str, value: str) -> str | None:
    named = {part.strip().upper() for part in value.split(",") if part.strip()}
    return None if named == {"TLSV1.2", "TLSV1.3"} else _version_refusal(name, value)


def _version_refusal(name: str, value: str) -> str:
    why = (
        "Kafka clients offer TLSv1.2 and TLSv1.3 here, which cannot be changed; remove it, and limit the "
        "versions at the broker"
    )
    return str(ConfigError.invalid(name, value, why))


def _jaas_refusal(_name: str, value: str) -> str | None:
    try:
        login_options(value)
    except ConfigError as error:
        return str(error)
    return None


def _url_refusal(url: str, allowed: Collection[str]) -> str | None:
    parts = urlsplit(url)
    if is_link_local(parts.hostname or ""):
        why = "link-local addresses are never asked"
    elif url in allowed:
        return None
    elif allowed:
        why = f"it is not among the worker's {ALLOWED_URLS}"
    elif parts.scheme == "https" and parts.hostname:
        return None
    else:
        why = f"it must begin with https://, or stand in the worker's {ALLOWED_URLS}"
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return f"The token server's address {shown} is refused: {why}"


_CHECKS: Final[Mapping[str, Callable[[str, str], str | None]]] = {
    **dict.fromkeys(_CLASSES, _class_refusal),
    "ssl.protocol": _newest_refusal,
    PROTOCOLS: _protocols_refusal,
    JAAS: _jaas_refusal,
}
