"""A real HTTP server on loopback that remembers what it was asked and misbehaves on request."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_TRICKLE_SECONDS = 0.02


@dataclass(frozen=True)
class Received:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What is answered, and how."""

    status: int = 200
    body: str | bytes = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    #: "": at once; "never": not at all; "cut": the connection breaks off; "head" or "body": a byte
    #: of it now and then, and never the last.
    manner: str = ""


class LoopbackServer:
    """Answers with what a test lined up in ``next``, and after that as a service would.

    Attributes:
        received: every request, in order.
        instead: what answers in the place of the service.
        connections: how many were opened, those included over which nothing was asked.
    """

    def __init__(self, certificate: Path | None = None, port: int = 0) -> None:
        self.received: list[Received] = []
        self.next: deque[Reply] = deque()
        self.instead: Callable[[Received], Reply] | None = None
        self.connections = 0
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _handler_of(self))
        self._scheme = "http"
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._tls = context
            # The handshake belongs into the connection's own thread, as the rest of it.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def show(self, certificate: Path) -> None:
        """Prove itself with another one from now on."""
        assert self._tls is not None
        self._tls.load_cert_chain(certificate)

    def answer(self, received: Received) -> Reply:
        """What the service says; for subclasses."""
        del received
        return Reply(200, "ok")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _reply(self, received: Received) -> Reply:
        self.received.append(received)
        if self.next:
            return self.next.popleft()
        return (self.instead or self.answer)(received)

    def _trickle(self, write: Callable[[bytes], object]) -> None:
        while not self._closing.wait(_TRICKLE_SECONDS):
            write(b"x")


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what is tested here."""


def _handler_of(owner: LoopbackServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            owner.connections += 1
            super().setup()

        def handle_one_request(self) -> None:
            super().handle_one_request()
            self.close_connection = True

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            self._write(
                owner._reply(Received(self.command, self.path, dict(self.headers.items()), body))
            )

        do_GET = do_POST = do_DELETE = do_CONNECT = _handle  # noqa: N815 - as the library calls them

        def _write(self, reply: Reply) -> None:
            body = reply.body.encode() if isinstance(reply.body, str) else reply.body
            if reply.manner == "never":
                owner._closing.wait()
                return
            if reply.manner == "cut":
                return
            if reply.manner == "head":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                owner._trickle(self.wfile.write)
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.send_header("Content-Length", str(10**9 if reply.manner == "body" else len(body)))
            self.end_headers()
            self.wfile.write(body)
            if reply.manner == "body":
                owner._trickle(self.wfile.write)

        def log_message(self, *arguments: object) -> None:
            """Nobody reads it."""

    return Handler


def make_certificate(folder: Path) -> Path:
    """A certificate for loopback with its key, signed by itself."""
    key, certificate, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
