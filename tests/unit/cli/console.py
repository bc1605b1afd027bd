"""A daemon that answers from a table."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar


class Console(BaseHTTPRequestHandler):
    """Keeps what it was asked; what stands in no table is 404.

    `answers` is by path, without `/appliance/v1/` and query, or by method and path; bytes go as they are.
    """

    answers: ClassVar[dict[str, Any]] = {}
    posted: ClassVar[list[tuple[str, Any]]] = []
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"] or 0))
        self.posted.append((self.path, json.loads(body or b"null")))
        self._answer()

    def do_PUT(self) -> None:
        self.do_POST()

    def do_PATCH(self) -> None:
        self.do_POST()

    def _answer(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        bare = self.path.partition("?")[0].removeprefix("/appliance/v1").lstrip("/")
        known = [name for name in (f"{self.command} {bare}", bare) if name in self.answers]
        found = self.answers[known[0]] if known else {"message": f"{bare} not found"}
        body = found if isinstance(found, bytes) else json.dumps(found).encode()
        self.send_response(200 if known else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
