"""Verbs of the command line that speak to a running daemon: look at it and act on it, for people and scripts.

Standard output is data, standard error is talk. Exit codes: 0 done, 1 failed or found, 2 usage, 3 cannot be
reached or worth trying again (409, 503), 4 refused: unknown (404), 401, 403, another 4xx or a read-only
context, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any, Final

from appliance.client import AnswerError, Client, ClientError, UnreachableError
from appliance.errors import ConnectError
from appliance.verbs import (
    change,
    complete,
    config,
    connection,
    ctx,
    describe,
    offsets,
    records,
    settings,
    show,
)
from appliance.verbs.address import RefusedError, UnknownError, UsageError, client_of

_VERBS: Final = (
    show,
    describe,
    change,
    config,
    connection,
    offsets,
    records,
    settings,
    ctx,
    complete,
)
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_RETRY: Final = 3
EXIT_REFUSED: Final = 4
EXIT_INTERRUPTED: Final = 130


def add_verbs(commands: Any) -> None:
    """Add the verbs to a parser's subcommands; each sets `act`."""
    for module in _VERBS:
        module.add_to(commands)


def run(options: argparse.Namespace) -> int:
    """Run the verb; give the exit code."""
    try:
        client = Client() if "alone" in options else client_of(options)
        code = options.act(client, options)
        sys.stdout.flush()
    except (UnreachableError, AnswerError) as error:
        print(f"ingest-appliance: {error}", file=sys.stderr)
        return _exit_code(error)
    except BrokenPipeError:
        raise
    except UsageError as error:
        print(f"ingest-appliance: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (ClientError, ConnectError, OSError, ValueError) as error:
        print(f"ingest-appliance: {error}", file=sys.stderr)
        return EXIT_REFUSED if isinstance(error, (RefusedError, UnknownError)) else EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return int(code)


def _exit_code(error: UnreachableError | AnswerError) -> int:
    if isinstance(error, UnreachableError) or error.retriable:
        return EXIT_RETRY
    return EXIT_REFUSED if error.status < 500 else EXIT_FAILED
