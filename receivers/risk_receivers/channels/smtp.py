"""A conversation with a mail server, and what its failures mean.

Fails closed: where TLS is asked for, neither a message nor a password goes to a server that
does not offer it or that cannot prove its name. Only a server on this machine may do without.
"""

from __future__ import annotations

import base64
import smtplib
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from types import TracebackType
from typing import Final, Self

from risk_policy.model.addresses import is_loopback
from risk_receivers.channels.errors import (
    DeliveryError,
    RefusedDeliveryError,
    TemporaryDeliveryError,
)
from risk_receivers.discretion import Discretion

#: Port on which a conversation begins with TLS; on all others STARTTLS is asked for.
_IMPLICIT_TLS: Final = 465
_AUTHENTICATED: Final = 235
_FAILURES: Final = range(400, 600)
_PERMANENT: Final = 500
#: Too many recipients at once, by RFC 5321: the rest may be accepted the next time.
_TOO_MANY: Final = 552
_GOODBYE_SECONDS: Final = 2.0
_LONGEST_REPLY: Final = 300

#: What a server said about one recipient.
Reply = tuple[int, bytes]


class Tls(Enum):
    """How a conversation is kept from others."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"

    @classmethod
    def wanted(cls, *, use_tls: bool, port: int) -> Tls:
        """What the policy asks for."""
        if not use_tls:
            return cls.NONE
        return cls.IMPLICIT if port == _IMPLICIT_TLS else cls.STARTTLS


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to speak to it.

    Attributes:
        timeout_seconds: for a whole conversation once it is connected, and for connecting.
        context: what a certificate is checked against; what the machine trusts unless given.
    """

    host: str
    port: int
    tls: Tls = Tls.STARTTLS
    username: str = ""
    password: str = field(default="", repr=False)
    timeout_seconds: float = 30.0
    context: ssl.SSLContext | None = field(default=None, repr=False)

    def send(self, sender: str, recipients: Sequence[str], mail: bytes) -> dict[str, Reply]:
        """Hand a mail over; the recipients that were refused, all of them if it comes to that.

        Raises:
            DeliveryError: nobody was sent anything, or the server did not confirm it.
        """
        with self.conversation() as smtp:
            utf8 = not all(address.isascii() for address in (sender, *recipients))
            if utf8 and not smtp.has_extn("smtputf8"):
                raise self._refused("takes no addresses beyond ASCII")
            try:
                return smtp.sendmail(
                    sender, list(recipients), mail, ["SMTPUTF8", "BODY=8BITMIME"] if utf8 else ()
                )
            except smtplib.SMTPRecipientsRefused as error:
                return {**dict.fromkeys(recipients, (421, b"not asked")), **error.recipients}

    @contextmanager
    def conversation(self) -> Iterator[smtplib.SMTP]:
        """Connect, with TLS and a login as wanted; whatever fails inside is a DeliveryError."""
        with _Limit(self.timeout_seconds) as limit:
            try:
                # The name is our own, without asking the DNS, which may hang.
                smtp = _Conversation(self, socket.gethostname() or "localhost", limit)
                try:
                    self._secure(smtp)
                    self._log_in(smtp)
                    yield smtp
                    _hang_up(smtp)
                finally:
                    smtp.close()
            except DeliveryError:
                raise
            except (smtplib.SMTPException, OSError) as error:
                if limit.is_passed:
                    raise self._temporary(f"took longer than {self.timeout_seconds:g} s") from error
                raise self._meaning(error) from error

    def described(self, reply: Reply) -> str:
        """What the server said, on one line and without our password."""
        code, text = reply
        said = Discretion([self.password]).applied(text.decode("utf-8", "replace"))
        said = " ".join(said.split())
        printable = "".join(letter if letter.isprintable() else "?" for letter in said)
        return f"{code} {printable[:_LONGEST_REPLY]}".strip()

    def _secure(self, smtp: smtplib.SMTP) -> None:
        smtp.ehlo_or_helo_if_needed()
        if self.tls is not Tls.STARTTLS:
            return
        if smtp.has_extn("starttls"):
            smtp.starttls(context=self.trust())
            smtp.ehlo()
        elif not is_loopback(self.host):
            raise self._refused(
                "offers no TLS, and nothing is sent without: somebody may be in between. If it "
                "really has none, set alerting.channels.email.use_tls = false"
            )

    def _log_in(self, smtp: smtplib.SMTP) -> None:
        if not self.username:
            return
        if self.username.isascii() and self.password.isascii():
            smtp.login(self.username, self.password)
            return
        # smtplib knows ASCII only; RFC 4616 says UTF-8.
        secret = f"\0{self.username}\0{self.password}".encode()
        code, text = smtp.docmd("AUTH", "PLAIN " + base64.b64encode(secret).decode())
        if code != _AUTHENTICATED:
            raise smtplib.SMTPAuthenticationError(code, text)

    def trust(self) -> ssl.SSLContext:
        """What certificates are checked against."""
        return self.context or ssl.create_default_context()

    def _meaning(self, error: Exception) -> DeliveryError:
        """What became of a conversation."""
        match error:
            case ssl.SSLCertVerificationError():
                return self._refused(
                    f"has a certificate that does not prove its name ({error.verify_message}); "
                    "for one of your own authority, name that in SSL_CERT_FILE"
                )
            case smtplib.SMTPResponseException():
                text = error.smtp_error
                reply = error.smtp_code, text.encode() if isinstance(text, str) else text
                what = {
                    smtplib.SMTPAuthenticationError: "refused the login",
                    smtplib.SMTPSenderRefused: "refused the sender",
                    smtplib.SMTPDataError: "refused the mail",
                }.get(type(error), "answered")
                said = f"{what}: {self.described(reply)}"
                if error.smtp_code < _PERMANENT or error.smtp_code not in _FAILURES:
                    return self._temporary(said)
                return self._refused(said, whole=not isinstance(error, smtplib.SMTPDataError))
            case smtplib.SMTPServerDisconnected():
                if isinstance(error.__context__, TimeoutError):
                    return self._meaning(error.__context__)
                return self._temporary("hung up")
            case smtplib.SMTPException():  # it cannot do what is asked of it, as a login
                return self._refused(self.described((0, str(error).encode())).removeprefix("0 "))
            case TimeoutError():
                return self._temporary(f"did not answer within {self.timeout_seconds:g} s")
            case _:
                return self._temporary(f"cannot be reached: {error}")

    def _temporary(self, what: str) -> TemporaryDeliveryError:
        return TemporaryDeliveryError(f"mail server {self.host}:{self.port} {what}")

    def _refused(self, what: str, *, whole: bool = True) -> RefusedDeliveryError:
        text = f"mail server {self.host}:{self.port} {what}"
        return RefusedDeliveryError(text, whole_channel=whole)


class _Limit:
    """Cuts a conversation that goes on and on; a socket's timeout bounds single steps only.

    It holds the connection by a descriptor of its own, so that it reaches it whatever is
    wrapped around it: a TLS handshake that never ends, too.
    """

    def __init__(self, seconds: float) -> None:
        self.is_passed = False
        self._lock = threading.Lock()
        self._line: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._lock:
            if self._line is not None:
                self._line.close()
            self._line = None

    def watch(self, line: socket.socket) -> None:
        """From now on it counts."""
        self._line = line.dup()
        self._timer.start()

    def _cut(self) -> None:
        with self._lock, suppress(OSError):  # it may have ended by itself just now
            if self._line is not None:
                self.is_passed = True
                self._line.shutdown(socket.SHUT_RDWR)


class _Conversation(smtplib.SMTP):
    """smtplib's, on a connection that is watched from its first byte."""

    def __init__(self, server: Server, our_name: str, limit: _Limit) -> None:
        self._server = server
        self._limit = limit
        super().__init__(
            server.host, server.port, local_hostname=our_name, timeout=server.timeout_seconds
        )

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Where smtplib.SMTP_SSL, too, puts its own connection in place."""
        line = socket.create_connection((host, port), timeout)
        self._limit.watch(line)
        if self._server.tls is not Tls.IMPLICIT:
            return line
        return self._server.trust().wrap_socket(line, server_hostname=host)


def is_permanent(reply: Reply) -> bool:
    """Whether a recipient will be refused again."""
    return reply[0] >= _PERMANENT and reply[0] != _TOO_MANY


def _hang_up(smtp: smtplib.SMTP) -> None:
    """Say goodbye; a mail that was confirmed stays so whatever the answer is."""
    if smtp.sock is not None:
        with suppress(OSError):
            smtp.sock.settimeout(_GOODBYE_SECONDS)
            smtp.quit()
