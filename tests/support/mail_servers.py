"""Mail servers on loopback: a real one, and one that fails wherever a test wants it to."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from free_ports import free_port


@dataclass
class Postbox:
    """What a real mail server took, and what it answers to recipients and mails."""

    mails: list[tuple[tuple[str, ...], EmailMessage]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    recipients: dict[str, str] = field(default_factory=dict)
    to_mail: str = ""
    port: int = 0
    logins: list[tuple[bytes, bytes]] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)

    @property
    def reached(self) -> list[str]:
        """Who got a mail, once for each mail."""
        return [address for to, _ in self.mails for address in to]

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        if answer := self.recipients.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.to_mail:
            return self.to_mail
        self.raw.append(envelope.original_content)
        mail = message_from_bytes(envelope.original_content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append((tuple(envelope.rcpt_tos), mail))
        self.secured.append(session.ssl is not None)
        return "250 OK"

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, auth_data: Any
    ) -> AuthResult:
        self.logins.append((auth_data.login, auth_data.password))
        good = auth_data.password in (b"right", "pässwört".encode())
        return AuthResult(success=good, handled=False)


class _Controller(Controller):
    """Binds a port of the system's choice, and leaves no connection open behind it.

    aiosmtpd stops its loop without waiting for a TLS goodbye, which leaves the socket to the
    garbage collector: it then complains in whatever test happens to run.
    """

    def __init__(self, postbox: Postbox, **options: Any) -> None:
        super().__init__(postbox, hostname="127.0.0.1", port=free_port(), **options)

    def stop(self, no_assert: bool = False) -> None:
        asyncio.run_coroutine_threadsafe(self._hang_up(), self.loop).result(10)
        super().stop(no_assert)

    async def _hang_up(self) -> None:
        # What lies below TLS is what stays open, and only the loop knows it.
        loop: Any = asyncio.get_running_loop()
        for transport in list(loop._transports.values()):
            transport.abort()
        await asyncio.sleep(0)  # the loop closes what is aborted in its next round


@contextmanager
def mail_server(**options: Any) -> Iterator[Postbox]:
    """A real mail server; options go to aiosmtpd."""
    postbox = Postbox()
    if options.pop("logins", False):
        options |= {
            "authenticator": postbox.authenticate,
            "auth_required": True,
            "auth_require_tls": options.get("tls_context") is not None,
        }
    controller = _Controller(postbox, **options)
    controller.start()
    postbox.port = controller.port
    try:
        yield postbox
    finally:
        controller.stop()


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test's own, and a server that it vouches for."""

    name: str = "127.0.0.1"
    authority: trustme.CA = field(default_factory=trustme.CA)

    def server(self, name: str = "127.0.0.1") -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(name).configure_cert(context)
        return context

    def client(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


STAGES = ("connect", "EHLO", "MAIL", "RCPT", "DATA", ".")
_ANSWERS = {"EHLO": b"250-here\r\n250 8BITMIME\r\n", "DATA": b"354 go on\r\n"}


@contextmanager
def failing_mail_server(stage: str, how: str) -> Iterator[int]:
    """One that at a stage hangs up, hangs, drips or answers with a line; its port."""
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not stopping.is_set():
                try:
                    line, _ = listener.accept()
                except TimeoutError:
                    continue
                with line, suppress(OSError):  # the client has had enough
                    _converse(line, stage, how, stopping)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            stopping.set()
            thread.join()


def _converse(line: socket.socket, stage: str, how: str, stopping: threading.Event) -> None:
    if stage == "connect":
        _fail(line, how, stopping)
        return
    line.sendall(b"220 here\r\n")
    line.settimeout(10)
    with line.makefile("rb") as stream:
        in_mail = False
        for request in stream:
            word = "." if in_mail else request.split()[0].decode().upper()
            if in_mail and request != b".\r\n":
                continue
            if word == stage:
                _fail(line, how, stopping)
                return
            in_mail = word == "DATA"
            line.sendall(_ANSWERS.get(word, b"250 OK\r\n"))


def _fail(line: socket.socket, how: str, stopping: threading.Event) -> None:
    if how == "hangs":
        stopping.wait(10)
    elif how == "drips":
        while not stopping.wait(0.05):
            line.sendall(b"2")
    elif how != "hangs up":
        line.sendall(how.encode() + b"\r\n")
        line.settimeout(2)
        line.recv(1000)
