"""Who may call REST and in which role: the file that `appliance.rest.users.file` names.

One principal a line, `#` begins a comment; the file is read again when it changes:

    administer   password     alice    scrypt:16384:8:1:<salt>:<hash>
    view         token        grafana  sha256:<hash>
    operate      certificate  CN=console,O=Example

`ingest-appliance user` writes such lines; passwords and tokens themselves stand nowhere. Of a certificate
every attribute that is named must be in its subject; the first line that fits counts.

Threads: any; `of_password` takes 50 ms and 16 MB, everything else no time.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import logging
import os
import re
import secrets
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from appliance.errors import ConfigError
from appliance.rest.reach import USERS

_LOG = logging.getLogger(__name__)

_COST: Final = (1 << 14, 8, 1)
_MOST_MEMORY: Final = 64 << 20
_REMEMBERED: Final = 256
_KINDS: Final = ("password", "token", "certificate")

Subject = Iterable[tuple[tuple[str, str], ...]]
"""A certificate's subject as `ssl` gives it."""


class Role(enum.IntEnum):
    """What a principal may do; each role may do what those below it may."""

    VIEW = 1
    OPERATE = 2
    ADMINISTER = 3

    @property
    def word(self) -> str:
        """Give the role as it is written."""
        return self.name.lower()


class Principal(NamedTuple):
    """Somebody who calls; `name` is None where nobody is asked."""

    name: str | None
    role: Role


class _Users(NamedTuple):
    """The file's content: by name, by the token's hash, in the file's order."""

    passwords: Mapping[str, tuple[Role, str]]
    tokens: Mapping[str, Principal]
    certificates: tuple[tuple[frozenset[tuple[str, str]], Principal], ...]


class UsersFile:
    """The principals of a file; follows its changes, and keeps the last good state when it is broken."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises ConfigError for what cannot be read or understood."""
        self._path = path
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._users = _read(path)
        self._key = secrets.token_bytes(32)
        self._remembered: dict[bytes, Principal] = {}

    def remembered(self, name: str, password: str) -> Principal | None:
        """Give the principal whose password this is if it was right a while ago; at once."""
        with self._lock:
            self._current()
            return self._remembered.get(self._proof(name, password))

    def of_password(self, name: str, password: str) -> Principal | None:
        """Give the principal whose password this is."""
        with self._lock:
            users = self._current()
        role, stored = users.passwords.get(name, (Role.VIEW, _NOBODY))
        if not _is_password(password, stored) or name not in users.passwords:
            return None
        with self._lock:
            if users is not self._users:
                # the file has just changed: asked again, the caller is looked up in the new one
                return None
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            return self._remembered.setdefault(self._proof(name, password), Principal(name, role))

    def of_token(self, token: str) -> Principal | None:
        """Give the principal whose bearer token this is."""
        with self._lock:
            return self._current().tokens.get(_token_hash(token))

    def of_certificate(self, subject: Subject) -> Principal | None:
        """Give the principal whom a checked certificate names."""
        held = frozenset(
            (_ATTRIBUTES.get(kind, kind).upper(), value)
            for part in subject
            for kind, value in part
        )
        with self._lock:
            for wanted, principal in self._current().certificates:
                if wanted <= held:
                    return principal
        return None

    def _proof(self, name: str, password: str) -> bytes:
        return hmac.digest(self._key, f"{name}\0{password}".encode(), "sha256")

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _current(self) -> _Users:
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._users = _read(self._path)
                self._remembered.clear()
                _LOG.info("The principals of REST were read again. file=%s", self._path)
            except ConfigError as error:
                _LOG.error("The principals of REST stay as they were. error=%s", error)
        return self._users


def password_line(name: str, role: Role, password: str) -> str:
    """Give the line for a principal with a password. Raises ConfigError for a name that will not do."""
    salt = secrets.token_bytes(16)
    cost = ":".join(map(str, _COST))
    stored = f"scrypt:{cost}:{_text(salt)}:{_text(_scrypt(password, salt, _COST))}"
    return _line(role, "password", name, stored)


def token_line(name: str, role: Role) -> tuple[str, str]:
    """Give the line for a principal with a new bearer token, and the token."""
    token = secrets.token_urlsafe(32)
    return _line(role, "token", name, f"sha256:{_token_hash(token)}"), token


def _line(role: Role, kind: str, name: str, secret: str) -> str:
    if not re.fullmatch(r"[^\s:#]+", name):
        raise ConfigError(f"A principal's name has no blanks, colons and #, but is {name!r}.")
    return f"{role.word:<12}{kind:<13}{name}  {secret}"


def _read(path: Path) -> _Users:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Reading {path}, which {USERS} names: {error}.") from error
    passwords: dict[str, tuple[Role, str]] = {}
    tokens: dict[str, Principal] = {}
    certificates = []
    for number, line in enumerate(lines, 1):
        words = line.split(maxsplit=2)
        if not words or words[0].startswith("#"):
            continue
        try:
            role, kind, rest = Role[words[0].upper()], words[1].lower(), words[2].strip()
            if kind == "certificate":
                certificates.append((_named(rest), Principal(rest, role)))
                continue
            name, stored = rest.split()
            if kind == "password":
                _parts(stored)
                passwords[name] = role, stored
            elif kind == "token" and re.fullmatch(r"sha256:[0-9a-f]{64}", stored):
                tokens[stored.removeprefix("sha256:")] = Principal(name, role)
            else:
                raise ValueError(kind)
        except (LookupError, ValueError, binascii.Error) as error:
            raise ConfigError(
                f"Line {number} of {path} is not `ROLE KIND NAME SECRET` with a role of view, operate, "
                f"administer and a kind of {', '.join(_KINDS)}: write it with `ingest-appliance user`."
            ) from error
    return _Users(passwords, tokens, tuple(certificates))


_ATTRIBUTES: Final = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "domainComponent": "DC",
    "emailAddress": "EMAILADDRESS",
    "userId": "UID",
}


def _named(text: str) -> frozenset[tuple[str, str]]:
    """Give the attributes of a distinguished name. Raises ValueError."""
    pairs = set()
    for part in re.split(r"(?<!\\),", text):
        kind, equals, value = part.strip().partition("=")
        if not equals or not value:
            raise ValueError(text)
        pairs.add((kind.strip().upper(), re.sub(r"\\(.)", r"\1", value.strip())))
    return frozenset(pairs)


def common_name(subject: Subject) -> str | None:
    """Give the common name of a subject."""
    names = [value for part in subject for kind, value in part if kind == "commonName"]
    return names[0] if names else None


def _parts(stored: str) -> tuple[tuple[int, int, int], bytes, bytes]:
    kind, n, r, p, salt, wanted = stored.split(":")
    if kind != "scrypt":
        raise ValueError(kind)
    return (int(n), int(r), int(p)), base64.b64decode(salt), base64.b64decode(wanted)


def _is_password(password: str, stored: str) -> bool:
    cost, salt, wanted = _parts(stored)
    return hmac.compare_digest(_scrypt(password, salt, cost), wanted)


def _scrypt(password: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    n, r, p = cost
    return hashlib.scrypt(
        password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MOST_MEMORY, dklen=32
    )


def _token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode()


# Compared with for unknown names, so that a name cannot be found out by the time an answer takes.
_NOBODY: Final = f"scrypt:16384:8:1:{_text(os.urandom(16))}:{_text(bytes(32))}"
