"""A Prometheus that says what a test wants it to, or nothing at all."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

#: What is found for a query.
Vector = list[tuple[dict[str, str], float]]


@contextmanager
def prometheus_that_says(found: Callable[[str], Vector]) -> Iterator[str]:
    """Where it listens. It answers every instant query with what is found for it."""

    def answer(query: str) -> bytes:
        result = [{"metric": labels, "value": [0, str(value)]} for labels, value in found(query)]
        return json.dumps({"status": "success", "data": {"result": result}}).encode()

    with prometheus_that_answers(answer) as listening:
        yield listening


@contextmanager
def prometheus_that_answers(answer: Callable[[str], bytes]) -> Iterator[str]:
    """Where it listens. It answers every query with these bytes."""

    class Part(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            body = answer(asked["query"][0])
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Part)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def prometheus_that_hangs() -> Iterator[str]:
    """Where it listens. The system accepts connections; nobody ever reads from one."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
