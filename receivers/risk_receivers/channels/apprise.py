"""The Apprise channel: every service that an Apprise URL can name.

Apprise says only whether it worked, and what it logs holds URLs, which are secrets. So its log
is kept from everybody, and of it only the HTTP status is passed on. What failed is worth trying
again: a wrong URL cannot be told from a service that is down. A URL that has taken a message is
not handed it again; that is kept in memory, and whatever one URL reaches behind its service is
one to us.
"""

from __future__ import annotations

import logging
import re
import threading
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from risk_policy import Policy, UnsetVariableError
from risk_policy.environment import Secret
from risk_policy.vocabulary import Severity
from risk_receivers.channels.errors import RefusedDeliveryError, TemporaryDeliveryError
from risk_receivers.channels.message import Kind, Message, Owed
from risk_receivers.channels.rendered import Render
from risk_receivers.errors import StartError

if TYPE_CHECKING:
    from apprise import Apprise, NotifyType

#: Messages that were given up half-way are forgotten beyond this many, oldest first.
_MOST_REMEMBERED: Final = 1000
_STATUS: Final = re.compile(r"\berror=([1-5][0-9]{2})\b")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Service:
    """One service behind one URL; named by the variable and by what it is."""

    name: str
    apprise: Apprise


class AppriseChannel:
    """Hands every message to every URL."""

    def __init__(self, *, render: Render, urls: Sequence[Secret]) -> None:
        self._render = render
        self._heard = _hushed()
        self._services = tuple(
            service
            for number, url in enumerate(urls)
            for service in _services(url, f"alerting.channels.apprise.urls.{number}")
        )
        self._done: OrderedDict[str, set[int]] = OrderedDict()

    @classmethod
    def from_policy(cls, policy: Policy, data: Path, render: Render) -> AppriseChannel:
        """The channel as the policy wants it. Raises StartError."""
        del data
        return cls(render=render, urls=policy.alerting.channels.apprise.urls)

    def deliver(self, owed: Owed) -> None:
        """Hand one message to every URL that has not taken it yet. Raises DeliveryError."""
        rendered = self._render(owed)
        done = self._done.setdefault(owed.id, set())
        while len(self._done) > _MOST_REMEMBERED:
            self._done.popitem(last=False)
        failed: list[str] = []
        for number, service in enumerate(self._services):
            if number in done:
                continue
            problem = self._notify(service, rendered.subject, rendered.text, owed.message)
            if problem:
                failed.append(f"{service.name} {problem}")
            else:
                done.add(number)
        if failed:
            raise TemporaryDeliveryError("; ".join(failed))
        del self._done[owed.id]

    def check(self) -> None:
        """Whether there is anything to hand messages to.

        There is no way to ask a service through Apprise without people seeing it: whether it
        takes messages stays unknown until one is sent. Raises DeliveryError.
        """
        if not self._services:
            raise RefusedDeliveryError("there is no Apprise URL", whole_channel=True)

    def close(self) -> None:
        """Nothing is held open."""

    def _notify(self, service: _Service, title: str, body: str, message: Message) -> str:
        """What went wrong; empty if nothing did."""
        self._heard.forget()
        try:
            taken = service.apprise.notify(
                body=body, title=title, notify_type=_type(message), body_format="text"
            )
        except Exception as error:  # noqa: BLE001 - what a plugin raises is its own, and may quote its URL
            return f"failed with {type(error).__name__}"
        if taken:
            return ""
        status = self._heard.status
        return f"answered with HTTP {status}" if status else "did not take the message"


class _Heard(logging.Handler):
    """Listens to what Apprise would log, and repeats nothing but a status."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._guard = threading.Lock()
        self._status = ""

    @property
    def status(self) -> str:
        """The last HTTP status that it complained of."""
        with self._guard:
            return self._status

    def forget(self) -> None:
        """From now on."""
        with self._guard:
            self._status = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Take note of one complaint."""
        if found := _STATUS.search(record.getMessage()):
            with self._guard:
                self._status = found[1]


def _hushed() -> _Heard:
    """Keep the logs of Apprise and of its HTTP client, which name URLs, from everybody."""
    logger = logging.getLogger("apprise")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
    heard = _Heard()
    logger.addHandler(heard)
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    for name in ("urllib3", "requests"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return heard


def _services(url: Secret, key: str) -> list[_Service]:
    """What a URL names. Raises StartError, which never shows it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says of modules that Python will drop
            from apprise import Apprise, AppriseAsset

            Apprise.instantiate("json://localhost")  # which loads all there are
    except ImportError as error:
        raise StartError(
            "alerting.channels.apprise.enabled = true: Apprise is not installed; "
            "pip install 'riskwarden[apprise]', or set it to false"
        ) from error
    asset = AppriseAsset(app_id="Riskwarden", app_desc="Riskwarden", async_mode=False)
    asset.secure_logging = True
    why = ""
    try:
        parsed = Apprise(asset=asset)
        understood = parsed.add(url.reveal())
    except UnsetVariableError as error:
        raise StartError(f"{key}: {error}") from error
    except Exception as error:  # noqa: BLE001 - what a plugin raises is its own, and may quote its URL
        understood, why = False, f" ({type(error).__name__})"
    if not understood or not len(parsed):
        raise StartError(
            f"{key}: Apprise does not understand what {url} holds{why}; it must be an Apprise URL, "
            "e.g. discord://… (https://appriseit.com/services/)"
        ) from None
    services = []
    for server in parsed:
        alone = Apprise(asset=asset)
        alone.add(server)
        services.append(_Service(f"{url} ({server.service_name})", alone))
    return services


def _type(message: Message) -> NotifyType:
    """Apprise knows four kinds of message, by which services choose colour and sign."""
    from apprise import NotifyType

    if message.kind is Kind.RESOLVED:
        return NotifyType.SUCCESS
    if message.severity.rank >= Severity.CRITICAL.rank:
        return NotifyType.FAILURE
    return NotifyType.WARNING if message.severity is Severity.WARNING else NotifyType.INFO
