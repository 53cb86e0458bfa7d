"""The SMS channel: Twilio's Messages API, one request a number.

A number that Twilio refuses does not keep the others from being told; the message then counts
as partly refused, because somebody who should know does not. Numbers that were told are not told
again when the rest is tried again; those that may have been are, and read that it is so.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import structs

from risk_policy import Policy
from risk_receivers.channels.cutting import clean, cut
from risk_receivers.channels.errors import (
    DeliveryError,
    PartlyRefusedError,
    RefusedDeliveryError,
    TemporaryDeliveryError,
)
from risk_receivers.channels.http import Answer, Http, revealed
from risk_receivers.channels.message import Owed
from risk_receivers.channels.progress import Progress
from risk_receivers.channels.rendered import Render

#: The longest body Twilio takes.
_MOST_UNITS: Final = 1600
_VERSION: Final = "2010-04-01"
#: Twilio's codes for a recipient: no such number, no permission for its region, not verified by a
#: trial account, unsubscribed, cannot be reached from here, no mobile, a landline.
_ABOUT_THE_NUMBER: Final = frozenset({21211, 21408, 21608, 21610, 21612, 21614, 21635})
#: For the number or the account it is sent from; whoever it is sent to, it goes nowhere.
_ABOUT_THE_SENDER: Final = frozenset({20003, 20005, 21212, 21603, 21606, 21659, 21660, 21661})
#: Too many at once, or too many waiting already.
_LATER: Final = frozenset({14107, 20429, 21611})
_BAD_REQUEST: Final = 400
#: What a text begins with that may have come before; the template has it from a restart on.
_AGAIN: Final = "(again) "
_SHOWN_DIGITS: Final = 4


class _Reply(msgspec.Struct, frozen=True):
    """An error, or a resource: of an account only the status is of interest."""

    code: int | None = None
    message: str | None = None
    status: int | str = ""
    sid: str = ""


class _Part(msgspec.Struct, frozen=True):
    """One number's text.

    Attributes:
        unclear: whether it may have arrived.
    """

    number: str
    body: str
    unclear: bool = False


_read = msgspec.json.Decoder(_Reply).decode


class SmsChannel:
    """Sends to a list of numbers."""

    def __init__(
        self,
        *,
        render: Render,
        account_sid: str,
        auth_token: str,
        from_number: str,
        to_numbers: Sequence[str],
        api_url: str,
        timeout_seconds: float,
    ) -> None:
        self._render = render
        self._auth = (account_sid, auth_token)
        self._from_number = from_number
        self._to_numbers = tuple(dict.fromkeys(to_numbers))
        self._account = f"{api_url}/{_VERSION}/Accounts/{quote(account_sid, safe='')}"
        secrets = [auth_token, f"{account_sid}:{auth_token}"]
        self._http = Http("Twilio", timeout_seconds, secrets)
        self._progress: Progress[_Part] = Progress()

    @classmethod
    def from_policy(cls, policy: Policy, data: Path, render: Render) -> SmsChannel:
        """The channel as the policy wants it. Raises StartError."""
        del data
        settings = policy.alerting.channels.sms
        return cls(
            render=render,
            account_sid=settings.account_sid,
            auth_token=revealed(settings.auth_token, "alerting.channels.sms.auth_token"),
            from_number=settings.from_number,
            to_numbers=settings.to_numbers,
            api_url=settings.api_url,
            timeout_seconds=settings.timeout_seconds,
        )

    def deliver(self, owed: Owed) -> None:
        """Send to every number that has not confirmed yet. Raises DeliveryError."""
        left = self._progress.left(owed.id, lambda: self._parts(owed))
        refused: list[RefusedDeliveryError] = []
        for first in tuple(left):
            part = structs.replace(first, unclear=True)
            left[left.index(first)] = part
            try:
                answer = self._send(first, again=bool(owed.again) and first.unclear)
                if answer.is_denied:
                    left[left.index(part)] = part = first
                self._require_taken(answer, part.number)
            except TemporaryDeliveryError:
                # The next try begins with the others, lest they wait behind this one for ever.
                left.remove(part)
                left.append(part)
                raise
            except RefusedDeliveryError as error:
                if error.whole_channel:
                    raise
                refused.append(error)
            else:
                left.remove(part)
        if refused:
            told = len(self._to_numbers) - len(refused)
            said = "; ".join(map(str, refused))
            words = f"{told} of {len(self._to_numbers)} numbers were told; {said}"
            raise PartlyRefusedError(words) if told else RefusedDeliveryError(words)
        self._progress.forget(owed.id)

    def check(self) -> None:
        """Ask for the account. Raises DeliveryError."""
        answer = self._http.send("GET", f"{self._account}.json", auth=self._auth)
        reply = _reply(answer)
        if not answer.is_fine or not reply.sid:
            raise self._error(answer, reply)
        if reply.status != "active":
            raise self._http.refused(f"says the account is {reply.status}", whole_channel=True)

    def close(self) -> None:
        """Nothing is held open."""

    def _parts(self, owed: Owed) -> list[_Part]:
        body = cut(clean(self._render(owed).text).strip(), _MOST_UNITS)
        return [_Part(number, body) for number in self._to_numbers]

    def _send(self, part: _Part, *, again: bool) -> Answer:
        body = part.body
        if again and not body.startswith(_AGAIN):
            body = cut(_AGAIN + body, _MOST_UNITS)
        fields = {"To": part.number, "From": self._from_number, "Body": body}
        return self._http.send(
            "POST",
            f"{self._account}/Messages.json",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            content=urlencode(fields).encode(),
            auth=self._auth,
        )

    def _require_taken(self, answer: Answer, number: str) -> None:
        reply = _reply(answer)
        if not answer.is_fine or not reply.sid:
            raise self._error(answer, reply, number)

    def _error(self, answer: Answer, reply: _Reply, number: str = "") -> DeliveryError:
        shown = f"number ending {number[-_SHOWN_DIGITS:]}: " if number else ""
        words = (reply.message or answer.text).replace(number or "\0", "the number")
        code = f"{answer.status}, error {reply.code}" if reply.code else f"{answer.status}"
        message = f"answered {code}: {shown}{words}"
        if answer.is_temporary or reply.code in _LATER:
            return self._http.temporary(message, answer.retry_after_seconds)
        about_the_number = reply.code in _ABOUT_THE_NUMBER or (
            answer.status == _BAD_REQUEST and reply.code not in _ABOUT_THE_SENDER
        )
        return self._http.refused(message, whole_channel=not about_the_number)


def _reply(answer: Answer) -> _Reply:
    try:
        return _read(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):  # a page of some proxy, perhaps
        return _Reply()
