"""The email channel: SMTP with TLS, one mail for all recipients.

A recipient that the server refuses keeps nobody else from being told; the message then counts as
partly refused, because somebody who should know does not. Those who have the mail are not sent it
again when it is tried again for the others; that is kept in memory, so a service that dies in
between sends it to all once more, as the same mail.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from risk_policy import Policy, UnsetVariableError
from risk_receivers.channels.attached import attached
from risk_receivers.channels.envelope import envelope
from risk_receivers.channels.errors import (
    PartlyRefusedError,
    RefusedDeliveryError,
    TemporaryDeliveryError,
)
from risk_receivers.channels.mail import compose
from risk_receivers.channels.message import Owed
from risk_receivers.channels.rendered import Render
from risk_receivers.channels.smtp import Reply, Server, Tls, is_permanent
from risk_receivers.errors import StartError

#: Messages that were given up half-way are forgotten beyond this many, oldest first.
_MOST_REMEMBERED: Final = 1000


@dataclass(slots=True)
class _Progress:
    """Who still waits for a message, who was refused for good, and whether anybody has it."""

    left: tuple[str, ...]
    has_arrived: bool = False
    refused: dict[str, Reply] = field(default_factory=dict)


class EmailChannel:
    """Mails the same people every message."""

    def __init__(
        self,
        *,
        data: Path,
        render: Render,
        server: Server,
        from_address: str,
        to_addresses: Sequence[str],
    ) -> None:
        self._data = data
        self._render = render
        self._server = server
        self._from = from_address
        self._to = tuple(dict.fromkeys(to_addresses))
        self._unfinished: OrderedDict[str, _Progress] = OrderedDict()

    @classmethod
    def from_policy(cls, policy: Policy, data: Path, render: Render) -> EmailChannel:
        """The channel as the policy wants it. Raises StartError."""
        settings = policy.alerting.channels.email
        try:
            password = settings.password.reveal() if settings.password else ""
        except UnsetVariableError as error:
            raise StartError(f"alerting.channels.email.password: {error}") from error
        server = Server(
            host=settings.smtp_host,
            port=settings.smtp_port,
            tls=Tls.wanted(use_tls=settings.use_tls, port=settings.smtp_port),
            username=settings.username,
            password=password,
            timeout_seconds=settings.timeout_seconds,
        )
        return cls(
            data=data,
            render=render,
            server=server,
            from_address=settings.from_address,
            to_addresses=settings.to_addresses,
        )

    def deliver(self, owed: Owed) -> None:
        """Mail one message. Raises DeliveryError."""
        progress = self._unfinished.setdefault(owed.id, _Progress(self._to))
        while len(self._unfinished) > _MOST_REMEMBERED:
            self._unfinished.popitem(last=False)
        file = attached(self._data, owed.message.attachment)
        mail = compose(owed, self._render(owed), self._from, self._to, file)
        by_envelope = {envelope(address): address for address in progress.left}
        refused = {
            by_envelope[address]: reply
            for address, reply in self._server.send(
                envelope(self._from), list(by_envelope), mail.as_bytes()
            ).items()
        }
        progress.has_arrived = progress.has_arrived or len(refused) < len(by_envelope)
        progress.left = tuple(
            address for address, reply in refused.items() if not is_permanent(reply)
        )
        progress.refused |= {a: reply for a, reply in refused.items() if is_permanent(reply)}
        if progress.left:
            raise TemporaryDeliveryError(f"mail server put off {self._told(refused)}")
        said = self._told(progress.refused)
        if progress.refused and progress.has_arrived:
            # Whoever has it sent again once that is put right means those who lack it.
            self._unfinished[owed.id] = _Progress(tuple(progress.refused), has_arrived=True)
            arrived = len(self._to) - len(progress.refused)
            raise PartlyRefusedError(
                f"{arrived} of {len(self._to)} recipients have the mail; refused were {said}; "
                "correct alerting.channels.email.to_addresses"
            )
        del self._unfinished[owed.id]
        if progress.refused:
            raise RefusedDeliveryError(
                f"mail server refused every recipient: {said}", whole_channel=True
            )

    def check(self) -> None:
        """Connect and log in, and send nothing. Raises DeliveryError."""
        with self._server.conversation() as smtp:
            smtp.noop()

    def close(self) -> None:
        """Nothing is held open."""

    def _told(self, refused: dict[str, Reply]) -> str:
        return "; ".join(
            f"{address} ({self._server.described(reply)})" for address, reply in refused.items()
        )
