"""The Slack channel: an incoming webhook.

The subject and the mentions stand in the message itself, because what stands in an attachment
notifies nobody; the text stands in an attachment, because only attachments have a colour. A
message whose blocks Slack refuses is sent again without any: an alert that looks plain is
better than one that nobody sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from risk_policy import Policy
from risk_policy.model.channels import Slack
from risk_policy.vocabulary import Severity
from risk_receivers.channels.buttons import Button, Buttons
from risk_receivers.channels.cutting import clean, cut, split_mrkdwn
from risk_receivers.channels.http import Answer, Http, revealed, revealed_url
from risk_receivers.channels.message import Kind, Owed
from risk_receivers.channels.rendered import Render, Rendered

#: Slack's limits: of a section's text, and of a message before it is cut. Fewer sections than
#: the 50 that it takes fill that.
_SECTION_UNITS: Final = 3000
_MOST_SECTIONS: Final = 12
_SUBJECT_UNITS: Final = 500
#: The key of the secret that Slack signs presses with.
_SIGNING_SECRET: Final = "alerting.channels.slack.signing_secret"  # noqa: S105 - a key's name
#: What the block of buttons is known by.
ACTIONS: Final = "riskwarden_actions"
_COLOURS: Final[Mapping[Severity, str]] = {
    Severity.DEBUG: "#9e9e9e",
    Severity.INFO: "#439fe0",
    Severity.WARNING: "#daa038",
    Severity.CRITICAL: "#d00000",
    Severity.EMERGENCY: "#7b001c",
}
_RESOLVED: Final = "#2eb886"
_CONTROL: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
#: Answers to the form of a message, which a plainer one does not get.
_FORM_ERRORS: Final = ("invalid_blocks", "invalid_attachments", "too_many_attachments")
#: What a 400 may say about every message alike.
_CHANNEL_ERRORS: Final = ("user_not_found", "invalid_token", "no_service", "no_team")
_ABOUT_THE_MESSAGE: Final = frozenset({400, 413})


class SlackChannel:
    """Posts to one incoming webhook."""

    def __init__(
        self,
        *,
        render: Render,
        webhook_url: str,
        channel: str,
        mention_on_critical: Sequence[str],
        timeout_seconds: float,
        buttons: Buttons | None = None,
        signing_secret: str = "",
    ) -> None:
        """``buttons`` go under what can be acknowledged; without any if nobody may press them.

        ``signing_secret`` is needed for nothing here but to keep it out of what is said.
        """
        self._buttons = buttons
        self._render = render
        self._url = webhook_url
        self._channel = channel
        self._mentions = " ".join(map(_mention, mention_on_critical))
        self._http = Http("Slack", timeout_seconds, [webhook_url, signing_secret])

    @classmethod
    def from_policy(cls, policy: Policy, data: Path, render: Render) -> SlackChannel:
        """The channel as the policy wants it. Raises StartError."""
        del data
        settings = policy.alerting.channels.slack
        secret = slack_signing_secret(settings)
        return cls(
            render=render,
            webhook_url=revealed_url(settings.webhook_url, "alerting.channels.slack.webhook_url"),
            channel=settings.channel,
            mention_on_critical=settings.mention_on_critical,
            timeout_seconds=settings.timeout_seconds,
            buttons=Buttons(secret, policy.alerting.acknowledgement) if secret else None,
            signing_secret=secret,
        )

    def deliver(self, owed: Owed) -> None:
        """Post one message. Raises DeliveryError."""
        rendered = self._render(owed)
        answer = self._post(self._coloured(owed, rendered))
        if answer.status in _ABOUT_THE_MESSAGE and _says(answer, _FORM_ERRORS):
            answer = self._post(self._plain(owed, rendered))
        if not answer.is_fine:
            raise self._http.failure(
                answer,
                whole_channel=answer.status not in _ABOUT_THE_MESSAGE
                or _says(answer, _CHANNEL_ERRORS),
            )
        if answer.text.strip() != "ok":  # a page of some proxy, perhaps; nobody has been told
            raise self._http.refused(
                f"answered {answer.status} without confirming: {answer.text}", whole_channel=True
            )

    def check(self) -> None:
        """Connect: a webhook can be asked nothing that people do not see. Raises DeliveryError."""
        self._http.reach(self._url)

    def close(self) -> None:
        """Nothing is held open."""

    def _post(self, payload: Mapping[str, Any]) -> Answer:
        return self._http.send(
            "POST",
            self._url,
            headers={"Content-Type": "application/json; charset=utf-8"},
            content=msgspec.json.encode(payload),
        )

    def _coloured(self, owed: Owed, rendered: Rendered) -> dict[str, Any]:
        sections = split_mrkdwn(clean(rendered.text), _SECTION_UNITS)
        if len(sections) > _MOST_SECTIONS:
            sections[_MOST_SECTIONS - 1 :] = ["_The rest does not fit: see the audit log._"]
        blocks: list[dict[str, Any]] = [
            {"type": "section", "text": {"type": "mrkdwn", "text": section}} for section in sections
        ]
        if self._buttons is not None:
            blocks += actions(self._buttons.under(owed))
        message = owed.message
        over = message.kind is Kind.RESOLVED
        colour = _RESOLVED if over else _COLOURS[message.severity]
        attachment = {"color": colour, "fallback": self._subject(rendered), "blocks": blocks}
        return {
            **self._plain(owed, rendered, with_text=False),
            "attachments": [attachment],
        }

    def _plain(self, owed: Owed, rendered: Rendered, *, with_text: bool = True) -> dict[str, Any]:
        message = owed.message
        loud = message.severity.rank >= Severity.CRITICAL.rank and message.kind is not Kind.RESOLVED
        subject = self._subject(rendered)
        text = f"{self._mentions} {subject}" if loud and self._mentions else subject
        if with_text:
            text = "\n".join([text, *split_mrkdwn(clean(rendered.text), _SECTION_UNITS)[:1]])
        return {"text": text, **({"channel": self._channel} if self._channel else {})}

    def _subject(self, rendered: Rendered) -> str:
        return escaped(cut(clean(rendered.subject), _SUBJECT_UNITS))


def slack_signing_secret(settings: Slack) -> str:
    """What Slack signs presses with; empty if nobody may press any. Raises StartError."""
    users, secret = settings.allowed_users, settings.signing_secret
    return revealed(secret, _SIGNING_SECRET) if secret is not None and users else ""


def actions(buttons: Sequence[Button]) -> list[dict[str, Any]]:
    """A block of buttons, if there are any."""
    elements = [
        {
            "type": "button",
            "action_id": f"riskwarden_{button.ask.name.lower()}",
            "text": {"type": "plain_text", "text": button.label},
            "value": button.data,
        }
        for button in buttons
    ]
    return [{"type": "actions", "block_id": ACTIONS, "elements": elements}] if elements else []


def escaped(text: str) -> str:
    """A text in which nothing is markup."""
    return text.translate(_CONTROL)


def _mention(who: str) -> str:
    """Slack's markup for ``@channel`` and its kind, a member's id or a user group's."""
    if who.startswith("@"):
        return f"<!{who[1:]}>"
    return f"<!subteam^{who}>" if who.startswith("S") else f"<@{who}>"


def _says(answer: Answer, errors: Sequence[str]) -> bool:
    return answer.text.strip().startswith(tuple(errors))
