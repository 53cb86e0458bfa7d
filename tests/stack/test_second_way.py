"""Nobody listens: Prometheus notices, and Alertmanager writes the mail itself."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes
from email import policy as mail_policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from free_ports import free_port
from stack_under_test import edited_policy, eventually, mails_to

from risk_policy import load_policy
from riskwarden.stack.layout import Layout
from riskwarden.stack.processes import Processes
from riskwarden.stack.stack import Stack, find_binaries

pytestmark = pytest.mark.stack
_SOON = 30


class _Mail:
    def __init__(self) -> None:
        self.got: list[EmailMessage] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - its name
        del server, session
        message = message_from_bytes(envelope.content, policy=mail_policy.default)
        assert isinstance(message, EmailMessage)
        self.got.append(message)
        return "250 taken"

    def told_of(self, *words: str) -> bool:
        bodies = [body.get_content() for one in self.got if (body := one.get_body(("plain",)))]
        return any(all(word in body for word in words) for body in bodies)


@pytest.fixture
def mail() -> Iterator[tuple[int, _Mail]]:
    """A mail server."""
    port = free_port()
    received = _Mail()
    controller = Controller(received, hostname="127.0.0.1", port=port)
    controller.start()
    yield port, received
    controller.stop()


def test_dead_receivers_and_what_is_critical_meanwhile_are_told_by_mail(
    tmp_path: Path, mail: tuple[int, _Mail]
) -> None:
    port, received = mail
    policy = load_policy(edited_policy(tmp_path, *mails_to(port)), {})
    layout = Layout(tmp_path / "data")
    layout.create()
    with Processes(layout.log) as processes:
        stack = Stack(policy, layout, processes)
        stack._configure()
        binaries = find_binaries()
        stack._await(stack._alertmanager(binaries), "alertmanager", "/-/ready")
        # Neither receivers nor an exporter were ever started.
        stack.start_prometheus(binaries)
        eventually(
            lambda: received.told_of("The receivers service cannot be scraped"),
            _SOON,
            "told of the receivers",
        )
        eventually(
            lambda: received.told_of("RISK_EXPORTER_DOWN", "the receivers do not hear it"),
            _SOON,
            "told of what nobody hears",
        )
    subjects = {str(one["Subject"]).partition(":")[0] for one in received.got}
    assert subjects == {
        "[PAPER] [FIRING] RISK_RECEIVERS_DOWN",
        "[PAPER] [FIRING] RISK_ALERT_UNHEARD",
    }
