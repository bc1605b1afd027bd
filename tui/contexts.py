"""Contexts: named daemons in a config file, with how to log in to each; console and verbs share it.

The file is `$XDG_CONFIG_HOME/ingest-tui/contexts.toml`:

    current = "lab"
    [contexts.lab]
    url = "http://127.0.0.1:8083"
    [contexts.prod]
    url = "https://appliance-01:8443"
    user = "ana"
    password_file = "~/.config/ingest-tui/prod.password"  # or password_env, password_command
    # or, instead of user and password, token_file, token_env, token_command
    cafile = "/etc/ssl/private-ca.pem"
    prod = true          # each confirmation one tier stricter
    read_only = false
    theme = "contrast"
    colour = "red"       # of its name in the title: one of COLOURS
    [keys]
    stop = "X"           # another key for an action, by its name in tui.keys

A secret never stands in the file or among arguments. Imports the standard library alone.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

DEFAULT_URL: Final = "http://127.0.0.1:8083"
VARIABLES: Final = {
    name: (f"INGEST_APPLIANCE_{name.upper()}", f"INGEST_{name.upper()}")
    for name in ("url", "user", "password", "token", "context")
}
"""Environment variables by what they give; the first one that is set counts."""
THEMES: Final = ("dark", "light", "contrast", "blue-orange", "ansi", "mono")
_KEYS: Final = frozenset(
    {
        "url",
        "user",
        "password_file",
        "password_env",
        "password_command",
        "token_file",
        "token_env",
        "token_command",
        "cafile",
        "certfile",
        "keyfile",
        "prod",
        "read_only",
        "theme",
        "colour",
    }
)
COLOURS: Final = ("red", "amber", "green", "blue", "violet")


class ContextError(Exception):
    """The file of contexts, or a secret it points to, will not do."""


class Context(NamedTuple):
    """One daemon and how to reach it."""

    url: str = DEFAULT_URL
    name: str = ""
    user: str | None = None
    password: str | None = None
    token: str | None = None
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    prod: bool = False
    read_only: bool = False
    theme: str | None = None
    colour: str = ""


def given(environ: Mapping[str, str], what: str) -> str | None:
    """Give what the environment says of `url`, `user`, `password`, `token` or `context`."""
    return next((environ[name] for name in VARIABLES[what] if environ.get(name)), None)


def chosen(
    environ: Mapping[str, str],
    path: Path | None = None,
    *,
    context: str | None = None,
    url: str | None = None,
    user: str | None = None,
    cafile: str | None = None,
    contexts: Contexts | None = None,
) -> Context:
    """Give the daemon that options and environment mean, and how to log in there. Raises ContextError.

    The address: `context` or `url` of the options, then of the environment, then the file's current
    context, then this host. Secrets of the environment are for where the context has none of its own.
    """
    url = url or (None if context else given(environ, "url"))
    found = Context()
    if context or not url:
        # not read for an address: a file with a fault is in nobody's way then
        known = contexts or Contexts(path or default_path(environ), environ)
        name = context or given(environ, "context") or known.current
        found = known.get(name) if name else found
    token = None if user else found.token or (None if found.user else given(environ, "token"))
    return found._replace(
        url=url or found.url,
        user=None if token else user or found.user or given(environ, "user"),
        password=None if token else found.password or given(environ, "password"),
        token=token,
        cafile=cafile or found.cafile,
    )


def default_path(environ: Mapping[str, str]) -> Path:
    """Give where the file is."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "ingest-tui" / "contexts.toml"


class Contexts:
    """The contexts of a file; there are none when it does not exist. Raises ContextError."""

    def __init__(self, path: Path, environ: Mapping[str, str]) -> None:
        self.path = path
        self._environ = environ
        self._found: dict[str, Any] = {}
        self.current: str | None = None
        self.keys: dict[str, str] = {}
        if not path.exists():
            return
        # lazily: most have no such file
        import tomllib

        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise ContextError(f"Reading contexts from {path}: {error}") from error
        self._found = dict(document.get("contexts", {}))
        self.current = document.get("current")
        self.keys = dict(document.get("keys", {}))

    @property
    def names(self) -> list[str]:
        """Give the names, in the order of the file."""
        return list(self._found)

    def url_of(self, name: str) -> str:
        """Give a context's address."""
        return str(self._found[name].get("url", DEFAULT_URL))

    def get(self, name: str) -> Context:
        """Give a context with its secrets. Raises ContextError."""
        entry = self._found.get(name)
        if entry is None:
            known = ", ".join(self._found) or "none"
            raise ContextError(f"No context {name} in {self.path}; there are: {known}")
        unknown = set(entry) - _KEYS
        if unknown:
            raise ContextError(
                f"Context {name} in {self.path}: unknown {', '.join(sorted(unknown))}; "
                f"there are {', '.join(sorted(_KEYS))}"
            )
        return Context(
            url=self.url_of(name),
            name=name,
            user=entry.get("user"),
            password=self._secret(name, entry, "password"),
            token=self._secret(name, entry, "token"),
            cafile=_expanded(entry.get("cafile")),
            certfile=_expanded(entry.get("certfile")),
            keyfile=_expanded(entry.get("keyfile")),
            prod=bool(entry.get("prod")),
            read_only=bool(entry.get("read_only")),
            theme=self._one_of(name, entry, "theme", THEMES),
            colour=self._one_of(name, entry, "colour", COLOURS) or "",
        )

    def _one_of(
        self, name: str, entry: Mapping[str, Any], what: str, known: Sequence[str]
    ) -> str | None:
        wanted = entry.get(what)
        if wanted in (None, *known):
            return wanted if wanted is None else str(wanted)
        there = ", ".join(known)
        raise ContextError(f"Context {name} in {self.path}: no {what} {wanted}; there are {there}")

    def _secret(self, name: str, entry: Mapping[str, Any], what: str) -> str | None:
        if f"{what}_env" in entry:
            variable = str(entry[f"{what}_env"])
            if variable not in self._environ:
                raise ContextError(f"Context {name}: the variable {variable} is not set")
            return self._environ[variable]
        if f"{what}_command" in entry:
            import subprocess

            command = [str(word) for word in entry[f"{what}_command"]]
            try:
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise ContextError(f"Context {name}: {what}_command failed: {error}") from error
            return done.stdout.strip()
        if f"{what}_file" in entry:
            return _read_secret(name, Path(str(_expanded(entry[f"{what}_file"]))))
        return None


def _read_secret(name: str, path: Path) -> str:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ContextError(f"Context {name}: others can read {path}; chmod 600 it")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ContextError(f"Context {name}: reading {path}: {error.strerror}") from error


def _expanded(path: str | None) -> str | None:
    return None if path is None else os.path.expanduser(path)  # noqa: PTH111 - a text stays one
