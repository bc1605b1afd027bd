"""The login that `sasl.jaas.config` asks for: its text is read, no class in it is ever loaded.

Semantics: Kafka 4.3.1 JaasConfig, with the login modules that Kafka's clients have themselves and no other:
those of Java's directories (JNDI, LDAP) have been a way to run foreign code.
"""

from __future__ import annotations

import re
from typing import Final

from appliance.errors import ConfigError

_PACKAGE: Final = "org.apache.kafka.common.security."
MODULES: Final = (
    f"{_PACKAGE}plain.PlainLoginModule",
    f"{_PACKAGE}scram.ScramLoginModule",
    f"{_PACKAGE}oauthbearer.OAuthBearerLoginModule",
)
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
"""Those by which the workers' own group client logs in."""
_MODULE: Final = re.compile(
    r"\s*([\w.$]+)\s+(?:required|requisite|sufficient|optional)\b", re.IGNORECASE
)
_OPTION: Final = re.compile(
    r"""\s*([\w.]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([^\s;"']+))"""
)
_END: Final = re.compile(r"\s*;?\s*")


def login_options(jaas: str) -> dict[str, str]:
    """Give the options of the one login module in `jaas`, quotes taken off.

    Raises ConfigError, which never quotes a value, for a text that is none and for any other module.
    """
    entry = _MODULE.match(jaas)
    if entry is None:
        raise _unreadable("it does not begin with a login module and `required`")
    if entry[1] not in MODULES:
        raise ConfigError(
            f"reading sasl.jaas.config: the login module {entry[1]} is refused; use one of "
            f"{', '.join(MODULES)}"
        )
    options, place = {}, entry.end()
    while option := _OPTION.match(jaas, place):
        name, double, single, bare = option.groups()
        options[name] = bare or re.sub(r"\\(.)", r"\1", double or single or "")
        place = option.end()
    if _END.fullmatch(jaas, place) is None:
        raise _unreadable(f"what follows the {len(options)} options that could be read is none")
    return options


def user_and_password(jaas: str) -> tuple[str, str]:
    """Give user and password of the entry. Raises ConfigError where one is missing."""
    options = login_options(jaas)
    if "username" not in options or "password" not in options:
        raise _unreadable("it has no username or no password")
    return options["username"], options["password"]


def _unreadable(why: str) -> ConfigError:
    return ConfigError(
        f"reading sasl.jaas.config: {why}; write"
        ' <login module> required username="..." password="...";'
    )
