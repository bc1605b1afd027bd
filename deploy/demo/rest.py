"""Calls to the daemon's REST API, by the standard library alone."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from typing import Any

from deploy.parts import PartError

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Refused(Exception):
    """The daemon answered with an error: `status` and Connect's message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status


def call(method: str, url: str, body: object = None, timeout_s: float = 30.0) -> Any:
    """Give the JSON answer, None when there is none.

    Raises Refused, and OSError also for an answer that is cut by the end of its server.
    """
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data, {"Content-Type": "application/json"}, method=method
    )
    try:
        with OPENER.open(request, timeout=timeout_s) as answer:
            text = answer.read()
    except urllib.error.HTTPError as error:
        raise Refused(error.code, _message(error.read())) from error
    except http.client.HTTPException as error:
        raise ConnectionError(f"{url} was not answered in full ({error!r})") from error
    return json.loads(text) if text else None


def put_connector(url: str, name: str, config: dict[str, str], timeout_s: float = 90.0) -> None:
    """Create or update a connector; waits while the workers are still forming their group.

    Raises PartError with the daemon's own words when it does not accept the configuration.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            call("PUT", f"{url}/connectors/{name}/config", config)
        except (Refused, OSError) as error:
            final = isinstance(error, Refused) and error.status == 400
            if final or time.monotonic() > deadline:
                raise PartError(
                    f"The daemon did not take the connector {name}: {error}"
                ) from error
            time.sleep(0.5)
        else:
            return


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:300]
