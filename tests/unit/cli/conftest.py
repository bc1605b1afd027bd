"""A daemon for verbs to speak to."""

from __future__ import annotations

import threading
from http.server import ThreadingHTTPServer

import pytest

from tests.unit.cli.console import Console


@pytest.fixture
def url():
    Console.posted.clear()
    Console.asked.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Console) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
