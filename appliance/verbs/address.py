"""Which daemon a verb speaks to: options first, then environment, then the daemon of this host."""

from __future__ import annotations

import argparse
import base64
import os
from collections.abc import Mapping
from typing import Final

from appliance.client import DEFAULT_URL, TIMEOUT_S, Client

URL_VARIABLE: Final = "INGEST_APPLIANCE_URL"
USER_VARIABLE: Final = "INGEST_APPLIANCE_USER"
PASSWORD_VARIABLE: Final = "INGEST_APPLIANCE_PASSWORD"
TOKEN_VARIABLE: Final = "INGEST_APPLIANCE_TOKEN"


def address_options() -> argparse.ArgumentParser:
    """Give the options that every verb takes, as a parent parser."""
    parent = argparse.ArgumentParser(add_help=False)
    group = parent.add_argument_group("daemon")
    group.add_argument("--url", help=f"its address; default ${URL_VARIABLE} or {DEFAULT_URL}")
    group.add_argument(
        "--user",
        help=f"user name; default ${USER_VARIABLE}. The password comes from ${PASSWORD_VARIABLE} alone, "
        f"a bearer token from ${TOKEN_VARIABLE}",
    )
    group.add_argument("--cert", help="certificate to show, with its key, as PEM")
    group.add_argument("--cafile", help="certificates that may have signed the daemon's, as PEM")
    return parent


def client_of(
    options: argparse.Namespace,
    environment: Mapping[str, str] = os.environ,
    *,
    timeout_s: float = TIMEOUT_S,
) -> Client:
    """Give the client that options and environment ask for."""
    user, token = options.user or environment.get(USER_VARIABLE), environment.get(TOKEN_VARIABLE)
    headers = {}
    if token and not options.user:
        headers["Authorization"] = f"Bearer {token}"
        user = None
    if user:
        pair = f"{user}:{environment.get(PASSWORD_VARIABLE, '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    url = options.url or environment.get(URL_VARIABLE) or DEFAULT_URL
    return Client(
        url, headers=headers, cafile=options.cafile, certfile=options.cert, timeout_s=timeout_s
    )
