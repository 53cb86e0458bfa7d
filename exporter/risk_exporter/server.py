"""The HTTP edge: ``/metrics``, ``/healthz``, and in sidecar mode snapshots and closes.

A thread per connection, one request per connection. Stopping lets answers that are under way
finish and leaves neither sockets nor threads behind.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from prometheus_client import CollectorRegistry

from risk_exporter.answers import Answer, json_answer, refusal
from risk_exporter.errors import StartError
from risk_exporter.exporter import RiskExporter
from risk_exporter.intake import ClosesIntake, Intake, SnapshotIntake, most_body_bytes
from risk_exporter.mark_intake import MarkIntake
from risk_exporter.text import encoder
from risk_policy.contracts.high_water_mark import PATH as MARK_PATH
from risk_policy.model.base import split_endpoint

SNAPSHOT_PATH: Final = "/api/v1/snapshot"
CLOSES_PATH: Final = "/api/v1/closes"
_TAKEN: Final = {
    SNAPSHOT_PATH: "snapshots",
    CLOSES_PATH: "closes",
    MARK_PATH: "resets of a high-water mark",
}
_CHUNK: Final = 65536

_log = logging.getLogger(__name__)


class ExporterServer:
    """Serves an exporter's figures over HTTP.

    Args:
        exporter: what is served.
        registry: the registry that is scraped; the exporter is registered with it while the
            server runs. A new one unless given.
        listen: ``host:port``; the policy's ``alerting.endpoints.exporter`` unless given.
        snapshot_token: takes snapshots and closes over HTTP from whoever shows it; without
            one, they come from the process itself only.
        mark_token: the same for resets of the high-water mark, where no ``snapshot_token`` is.

    Raises:
        StartError: an argument cannot be used.
    """

    def __init__(
        self,
        exporter: RiskExporter,
        registry: CollectorRegistry | None = None,
        listen: str | None = None,
        snapshot_token: str | None = None,
        mark_token: str | None = None,
    ) -> None:
        self._exporter = exporter
        self._registry = CollectorRegistry() if registry is None else registry
        self.listen = listen or exporter.policy.alerting.endpoints.exporter
        try:
            self._address = split_endpoint(self.listen)
        except ValueError as error:
            raise StartError(f"{self.listen!r} is no address: {error}") from error
        self._intakes: dict[str, Intake] = {}
        if snapshot_token is not None:
            self._intakes[SNAPSHOT_PATH] = SnapshotIntake(exporter, snapshot_token)
            self._intakes[CLOSES_PATH] = ClosesIntake(exporter, snapshot_token)
        if (token := snapshot_token or mark_token) is not None:
            self._intakes[MARK_PATH] = MarkIntake(exporter, token)
        self._scraped = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen and serve. Raises StartError."""
        if self._server is not None:
            raise StartError(f"the server on {self.listen} was started already")
        # A request that outlasts what counts as stale brings nothing fresh any more.
        timeout = self._exporter.policy.alerting.system.snapshot_stale_seconds
        most_bytes = most_body_bytes(self._exporter.policy)
        try:
            server = _Server(
                self._address, self._route, self._exporter.count_unexpected, timeout, most_bytes
            )
        except OSError as error:
            raise StartError(
                f"cannot listen on {self.listen}: {error.strerror or error}; stop what uses it, "
                "or choose another with --listen or alerting.endpoints.exporter"
            ) from error
        try:
            self._registry.register(self._exporter)
        except ValueError as error:
            server.server_close()
            raise StartError(
                "the registry has metrics of these names already; do not register the exporter "
                "yourself, its server does"
            ) from error
        self._server = server
        self._scraped.clear()
        self._thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), name="risk-exporter", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way and close. A second call does nothing."""
        server, self._server = self._server, None
        if server is None:
            return
        server.shutdown()
        if self._thread is not None:
            self._thread.join()
        server.server_close()
        self._registry.unregister(self._exporter)

    def wait_for_scrape(self, timeout: float) -> bool:
        """Whether the figures have been scraped since the start; waits so many seconds for it."""
        return self._scraped.wait(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    # -- routes ------------------------------------------------------------------------------

    def _route(self, handler: _Handler) -> None:
        path = handler.path.partition("?")[0]
        method = handler.command
        if path == "/metrics" and method == "GET":
            encode, content_type = encoder(handler.headers.get("Accept") or "")
            body = encode(self._registry)
            handler.send(Answer(HTTPStatus.OK, body, content_type))
            self._scraped.set()
        elif path == "/healthz" and method == "GET":
            handler.send(self._health())
        elif path in _TAKEN and method == "POST":
            self._take(path, handler)
        elif path in ("/metrics", "/healthz", *_TAKEN):
            allowed = "POST" if path in _TAKEN else "GET"
            error = f"{path} takes {allowed} only"
            handler.send(refusal(HTTPStatus.METHOD_NOT_ALLOWED, error, Allow=allowed))
        else:
            error = f"there is nothing here; try /metrics, /healthz, {' or '.join(_TAKEN)}"
            handler.send(refusal(HTTPStatus.NOT_FOUND, error))

    def _health(self) -> Answer:
        failures = self._exporter.failures
        status = HTTPStatus.SERVICE_UNAVAILABLE if failures else HTTPStatus.OK
        return json_answer(
            status,
            {
                "status": "state not stored" if failures else "ok",
                "policy_digest": self._exporter.policy.short_digest,
                "problems": list(failures),
            },
        )

    def _take(self, path: str, handler: _Handler) -> None:
        intake = self._intakes.get(path)
        if intake is None:
            error = (
                f"this exporter is embedded in its runtime and takes no {_TAKEN[path]} over HTTP"
            )
            if path == MARK_PATH:
                error += "; give its ExporterServer a mark_token"
            handler.send(refusal(HTTPStatus.NOT_FOUND, error))
            return
        headers = handler.headers
        length = headers.get("Content-Length")
        handler.send(intake.answer(headers.get("Authorization"), length, handler.read))


class _Server(ThreadingHTTPServer):
    """Knows its connections, so that nobody holds one for ever and closing waits for nobody."""

    daemon_threads = False
    allow_reuse_port = False
    #: Who finds no room here tries again a second later: as long as a scrape may take. All
    #: runtimes of a house may well tell of the same tick at once.
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        route: Callable[[_Handler], None],
        unexpected: Callable[[Exception], None],
        timeout_seconds: float,
        most_bytes: int,
    ) -> None:
        self.route = route
        self.unexpected = unexpected
        self.timeout_seconds = timeout_seconds
        self.most_bytes = most_bytes
        self._open: dict[socket.socket, float] = {}  # since when, the oldest first
        self._open_lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Not HTTPServer's, which asks the name service for this host.
        super(ThreadingHTTPServer, self).server_bind()

    def process_request(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        assert isinstance(request, socket.socket)
        with self._open_lock:
            self._open[request] = time.monotonic()
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        assert isinstance(request, socket.socket)
        with self._open_lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Listen no longer to who has not said all by now, however often something came."""
        begun_by = time.monotonic() - self.timeout_seconds
        with self._open_lock:
            for request, since in self._open.items():
                if since > begun_by:
                    break
                _stop_listening(request)

    def server_close(self) -> None:
        with self._open_lock:
            for request in self._open:
                _stop_listening(request)
        super().server_close()

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        _log.debug("a connection broke", exc_info=True)


def _stop_listening(request: socket.socket) -> None:
    try:
        request.shutdown(socket.SHUT_RD)
    except OSError:
        _log.debug("a connection was gone already", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Reads one request, sends one answer."""

    server: _Server
    server_version = "riskwarden"
    sys_version = ""
    body_was_read = False

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(self.server.timeout_seconds)

    def _dispatch(self) -> None:
        try:
            self.server.route(self)
            if not self.body_was_read and self.headers.get("Content-Length"):
                self._drain()
        except (ConnectionError, TimeoutError):
            _log.debug("a connection broke", exc_info=True)
        except Exception as error:  # noqa: BLE001  the edge: a defect becomes a 500, is counted
            self.server.unexpected(error)
            _log.exception("%s %s failed", self.command, self.path)
            self.send(refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log"))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _dispatch  # noqa: N815

    def read(self, size: int) -> bytes:
        """So much of the body, or less if it ends before."""
        self.body_was_read = True
        return self.rfile.read(size)

    def send(self, answer: Answer) -> None:
        """Send an answer."""
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def _drain(self) -> None:
        """Throw away a body that was refused unread, or closing would cut the answer off."""
        most_bytes = self.server.most_bytes
        self.connection.shutdown(socket.SHUT_WR)
        while most_bytes > 0 and (chunk := self.rfile.read1(_CHUNK)):
            most_bytes -= len(chunk)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses by itself, in our words."""
        self.command = getattr(self, "command", None) or "GET"
        self.send(refusal(HTTPStatus(code), explain or message or HTTPStatus(code).phrase))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        _log.debug(format, *args)
