"""Servers on loopback that repeat what they were sent, secrets above all, however they please."""

from __future__ import annotations

import base64
import html
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from urllib.parse import quote

from loopback_http import LoopbackServer, Received, Reply

Spell = Callable[[str], str]
SPELLINGS: tuple[Spell, ...] = (
    str,
    lambda text: quote(text, safe=""),
    lambda text: quote(text, safe="").lower(),
    lambda text: json.dumps(text),
    lambda text: json.dumps(text).replace("/", "\\/"),
    html.escape,
    repr,
    lambda text: base64.b64encode(text.encode()).decode(),
    lambda text: base64.b64encode(f"Authorization: {text}".encode()).decode(),
)
#: What becomes of one request, over and over; "fine" is what the service says when all is well.
MANNERS = ("401", "403", "404", "400", "302", "500", "page", "cut", "never")


class EchoingServer(LoopbackServer):
    """Misbehaves in each manner once, and each time once more before it says that all is well.

    Attributes:
        fine: what it answers when all is well.
        wrapped: how its error body holds a text.
    """

    def __init__(self, fine: Reply, wrapped: Callable[[str], str] = str) -> None:
        super().__init__()
        self.fine = fine
        self.wrapped = wrapped
        self.secrets: Sequence[str] = ()
        self._turn = 0

    def misbehave(self, manner: str) -> None:
        """Once, at the next request."""
        self.next.append(Reply(manner=manner))

    def answer(self, received: Received) -> Reply:
        del received
        return self.fine

    def _reply(self, received: Received) -> Reply:
        planned = super()._reply(received)
        manner = planned.manner
        if manner not in MANNERS or manner in ("cut", "never"):
            return planned
        spell = SPELLINGS[self._turn % len(SPELLINGS)]
        self._turn += 1
        said = " ".join(map(spell, self.secrets))
        echo = self.wrapped(f"{said} {received.path} {dict(received.headers)}")
        if manner == "page":
            return Reply(200, f"<html>{echo}</html>")
        headers = {"Retry-After": "0.01"}
        if manner == "302":
            headers["Location"] = f"{self.url}{received.path}&again"
        return Reply(int(manner), echo, headers)


@contextmanager
def echoing_mail_server(failures: list[str]) -> Iterator[int]:
    """One that asks for a login and fails at each named command once, repeating all it was told.

    Yields its port.
    """
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.1)

        def serve() -> None:
            while not stopping.is_set():
                with suppress(TimeoutError, OSError):
                    line, _ = listener.accept()
                    with line:
                        line.settimeout(5)
                        _converse(line, failures)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            stopping.set()
            thread.join()


def _converse(line: socket.socket, failures: list[str]) -> None:
    line.sendall(b"220 here\r\n")
    told: list[str] = []
    with line.makefile("rb") as stream:
        in_mail = False
        for request in stream:
            text = request.decode("utf-8", "replace").strip()
            if in_mail and text != ".":
                continue
            told += [text, *_decoded(text)]
            word = "." if in_mail else text.split()[0].upper()
            if failures and failures[0] == word:
                failures.pop(0)
                code = "535" if word == "AUTH" else "451"
                line.sendall(f"{code} {' '.join(reversed(told))}"[:480].encode() + b"\r\n")
                continue
            in_mail = word == "DATA"
            answers = {
                "EHLO": b"250-here\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
                "DATA": b"354 go on\r\n",
                "AUTH": b"235 come in\r\n",
            }
            line.sendall(answers.get(word, b"250 OK\r\n"))


def _decoded(text: str) -> list[str]:
    """What a login says in clear."""
    with suppress(ValueError):
        return base64.b64decode(text.split()[-1], validate=True).decode().split("\0")
    return []
