"""Presses of Slack buttons: let in by Slack's signature, kept, and answered at once.

Nobody brings a token here, so nothing is believed before the signature is right: not even who
pressed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from risk_policy import Policy
from risk_policy.model.channels import Slack
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.body import Body, BodyReader
from risk_receivers.buttons.desk import Desk
from risk_receivers.buttons.slack import CHANNEL, SlackButtons
from risk_receivers.buttons.slack_payload import press_of
from risk_receivers.buttons.slack_presses import SlackPresses
from risk_receivers.buttons.slack_signature import Signatures
from risk_receivers.channels.buttons import Buttons
from risk_receivers.channels.http import revealed_url
from risk_receivers.channels.slack import slack_signing_secret
from risk_receivers.database.place import Place
from risk_receivers.doors.door import Reply, problem, recorded
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import AUTH_FAILED, Telemetry

SLACK_PATH: Final = "/api/v1/slack/actions"
#: A press brings the whole message along, each character as up to nine; more is not Slack.
_MOST_MIB: Final = 0.5
_TIMESTAMP: Final = b"x-slack-request-timestamp"
_SIGNATURE: Final = b"x-slack-signature"
#: Slack waits for three.
_DEADLINE_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


class SlackDoor:
    """``POST /api/v1/slack/actions``."""

    def __init__(
        self,
        settings: Slack,
        signatures: Signatures,
        buttons: SlackButtons,
        *,
        telemetry: Telemetry,
        refused: Callable[[str, str, str], None],
        timeout_seconds: float,
    ) -> None:
        """``refused`` is told which user came in vain, to what, and why."""
        self._users = frozenset(settings.allowed_users)
        self._signatures = signatures
        self._buttons = buttons
        self._telemetry = telemetry
        self._refused = refused
        self._bodies = BodyReader(max_mib=_MOST_MIB, timeout_seconds=timeout_seconds)

    @property
    def bodies(self) -> BodyReader:
        """What reads its bodies: strangers may send one."""
        return self._bodies

    def complaint(self, headers: Mapping[bytes, bytes]) -> str:
        """Why nobody reads the body of such a request; empty if it may be Slack's."""
        timestamp, signature = _signed(headers)
        return self._signatures.complaint(timestamp, signature, time.time())

    async def take(self, headers: Mapping[bytes, bytes], body: Body) -> Reply | str:
        """Take a press in, durably; why not, if it is not Slack's."""
        timestamp, signature = _signed(headers)
        if not self._signatures.is_genuine(timestamp, signature, body.data):
            return "a wrong signature"
        press = press_of(body.data)
        if press is None or not self._signatures.is_first(signature):
            return Reply(200, {})
        allowed = press.user in self._users
        if not allowed:
            self._telemetry.count(*AUTH_FAILED)
            self._refused(
                f"{CHANNEL}:{press.user}",
                "a Slack button",
                "not in alerting.channels.slack.allowed_users",
            )
        if not self._buttons.has_room:
            return problem(503, "too many presses wait already; press again later")
        if not allowed:
            self._buttons.refuse(press)
            return Reply(200, {})
        try:
            await recorded(self._buttons.offer(press), _DEADLINE_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever it is, Slack must hear of it
            if not isinstance(error, StoreError | TimeoutError):
                self._telemetry.unexpected()
            _log.error("a press in Slack could not be kept: %s", error)
            return problem(503, "the store cannot record it now; press again later")
        return Reply(200, {})


def _signed(headers: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
    return headers.get(_TIMESTAMP, b""), headers.get(_SIGNATURE, b"")


def slack_door(
    policy: Policy,
    keeper: AckKeeper,
    database: Place,
    writer: Writer,
    telemetry: Telemetry,
    refused: Callable[[str, str, str], None],
) -> tuple[SlackButtons, SlackDoor] | None:
    """The worker and the door, if the policy wants buttons. Raises StartError."""
    settings, terms = policy.alerting.channels.slack, policy.alerting.acknowledgement
    if not (settings.enabled and (secret := slack_signing_secret(settings))):
        return None
    buttons = SlackButtons(
        Desk(keeper, Buttons(secret, terms), database=database, terms=terms, via="Slack button"),
        SlackPresses(database, writer),
        telemetry,
        webhook_url=revealed_url(settings.webhook_url, "alerting.channels.slack.webhook_url"),
        signing_secret=secret,
        timeout_seconds=settings.timeout_seconds,
    )
    door = SlackDoor(
        settings,
        Signatures(secret),
        buttons,
        telemetry=telemetry,
        refused=refused,
        timeout_seconds=policy.alerting.intake.body_timeout_seconds,
    )
    return buttons, door
