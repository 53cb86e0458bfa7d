"""Whether strangers are kept out: TLS, and secrets that nobody guesses, shares or forgets. Pure.

Invariant: no finding ever holds a secret, nor how long one is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from risk_policy.model.base import is_loopback, split_endpoint
from risk_policy.model.policy import Alerting
from risk_receivers.shapes.security import KeyAge
from risk_receivers.users.passwords import LEAST_LENGTH, fault_of
from riskwarden.golive.finding import Finding, failed, listed, not_known, passed

_AUTH: Final = "alerting.auth."
#: Made by whoever sets the system up; all others come from somebody else, as they are.
_OWN: Final = (
    _AUTH, "alerting.channels.webhook.hmac_secret",
)  # fmt: skip
#: The runtime shows the one to the exporter and the other to the receivers, and may have one token.
_MAY_BE_ONE: Final = frozenset({f"{_AUTH}snapshot_token", f"{_AUTH}runtime_token"})
#: What others give out is longer than this, too.
_LEAST_OF_OTHERS: Final = 8
_OTHERS: Final = 0o077


@dataclass(frozen=True, slots=True)
class HeldSecret:
    """A secret in use.

    Attributes:
        value: None if it could not be had.
        file: where it stands, if it does in a file, and ``mode`` its permissions.
    """

    name: str
    value: str | None
    file: Path | None = None
    mode: int = 0

    def __repr__(self) -> str:
        return f"HeldSecret({self.name!r})"


def secrets(found: Sequence[HeldSecret], least: int) -> Finding:
    """Whether none is a default, easily guessed, used twice, or open to others of the machine."""
    if weak := [f"{one.name} {why}" for one in found if (why := _weakness(one, least))]:
        return failed(listed(weak), "make another: openssl rand -base64 32")
    if twice := _shared(found):
        return failed(
            f"the same secret: {listed(twice)}", "make one for each: openssl rand -base64 32"
        )
    if bare := [f"{one.name} ({one.file})" for one in found if one.file and one.mode & _OTHERS]:
        return failed(f"others of this machine may read {listed(bare)}", "chmod 600 each of them")
    if unset := [one.name for one in found if one.value is None]:
        return not_known(
            f"not to be had here: {listed(unset)}",
            "run this with the environment that the receivers have",
        )
    return passed(f"{len(found)} in use: none guessed, none twice, none open to others")


def _weakness(one: HeldSecret, least: int) -> str:
    if one.value is None:
        return ""
    if not one.name.startswith(_OWN):
        if len(one.value) < _LEAST_OF_OTHERS:
            return "is too short to be a secret"
        return fault_of(one.value, one.name) if len(one.value) >= LEAST_LENGTH else ""
    if len(one.value) < least:
        return f"has fewer than {least} characters"
    return fault_of(one.value, one.name)


def _shared(found: Sequence[HeldSecret]) -> list[str]:
    names = defaultdict(list)
    for one in found:
        if one.value is not None:
            names[one.value].append(one.name)
    return [
        " and ".join(same)
        for same in names.values()
        if len(same) > 1 and not _MAY_BE_ONE.issuperset(same)
    ]


def ages(found: Sequence[KeyAge]) -> Finding:
    """Whether no secret is older than it may become."""
    if overdue := [one["secret"] for one in found if one["overdue"]]:
        return failed(f"older than the policy lets it be: {listed(overdue)}", "rotate it")
    if unknown := [one["secret"] for one in found if one["overdue"] is None]:
        return not_known(
            f"nobody knows how old it is: {listed(unknown)}",
            "say it with NAME_ROTATED_AT, or keep it in a file: docs/security.md",
        )
    if not found:
        return not_known("the receivers know of no secret", "look at GET /api/v1/security")
    return passed(f"{len(found)}, none too old")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was shown over TLS.

    Attributes:
        where: the URL.
        ends_at: until when it is good; None if TLS could not be agreed upon, ``why`` says why.
        distrust: why this machine does not trust it; empty if it does.
    """

    where: str
    ends_at: datetime | None
    why: str = ""
    distrust: str = ""


def tls(alerting: Alerting, shown: Certificate | None, now: datetime) -> Finding:
    """Whether nothing that people type or are sent can be read on its way.

    ``shown`` is what the console's address for people shows, if there is one beside loopback.
    """
    board, mail = alerting.dashboard, alerting.channels.email
    if mail.enabled and not mail.use_tls and not is_loopback(mail.smtp_host):
        return failed("mails leave without TLS", "set alerting.channels.email.use_tls = true")
    if not is_loopback(board.host) and not board.tls.is_used:
        return failed(
            f"the console listens at {board.host} without TLS",
            "set alerting.dashboard.tls.cert_file and key_file, or bind to 127.0.0.1",
        )
    if not board.tls.is_used:
        if elsewhere := _elsewhere(alerting):
            return not_known(
                f"alerts and tokens are on their way to {listed(elsewhere)} without TLS",
                "see that nobody else can read there, then --skip tls --because ...",
            )
        return passed("the receivers speak to this machine alone")
    if shown is None:
        return not_known(
            "TLS ends at a proxy, and where people reach it is not known",
            "say it in alerting.golive.console_url",
        )
    if shown.ends_at is None:
        return failed(f"{shown.where}: no TLS: {shown.why}", "see that the proxy or receivers run")
    said = f"{shown.where}: a certificate until {shown.ends_at:%Y-%m-%d}"
    if shown.ends_at < now + timedelta(days=alerting.golive.certificate_days):
        return failed(said, "renew it, and see that it is renewed by itself from now on")
    if shown.distrust:
        return failed(
            f"{said}, which this machine does not trust: {shown.distrust}",
            "use a name that it is for and an authority that is trusted here, or name that "
            "authority's file with SSL_CERT_FILE",
        )
    return passed(said)


def _elsewhere(alerting: Alerting) -> list[str]:
    """Parts that are not on this machine for sure."""
    parts = (
        *alerting.endpoints.model_dump().values(),
        *alerting.high_availability.peers,
        *alerting.prometheus.more_alertmanagers,
    )
    return [one for one in parts if not is_loopback(split_endpoint(one)[0])]
