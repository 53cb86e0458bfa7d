"""Who guards the guards: Alertmanager's own way to people, for when the receivers are dead.

The dead cannot report themselves. So the alerts that say that the receivers are dead or cannot
record, and the one that Prometheus raises meanwhile about everything critical that nobody hears,
go to people by Alertmanager's own receivers too, whatever a channel's least severity is. None of
these alerts exists while the receivers work, so nobody is paged twice; and as a route says
``continue``, nothing is taken from the receivers.

Secrets stay out of the generated file. Where Alertmanager reads one from a file, the file is named
(and looked for in the folder that Alertmanager was started in, unlike the token of the webhook);
Telegram's token it takes from the configuration alone (a file only since 0.26). A configuration
that is written for one running Alertmanager and kept to its owner holds the secrets themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from risk_alertmanager.matchers import one_of
from risk_policy.contracts import alert as labels
from risk_policy.contracts.artefact import duration
from risk_policy.environment import Secret
from risk_policy.model import Policy
from risk_policy.model.channels import Email
from risk_policy.second_way import ALERTS, channels

RECEIVER: Final = "second_way"

Reveal = Callable[[Secret], str]

_SLACK_FILE: Final = "slack_webhook_url"
_SMTP_FILE: Final = "smtp_password"
_SUBJECT: Final = (
    '[{{ .Status | toUpper }}] {{ .CommonLabels.alertname }}{{ if eq .Status "firing" }}: '
    "the risk layer cannot tell you of anything else{{ end }}"
)
_TEXT: Final = """\
{{ if eq .Status "firing" }}Sent by Alertmanager itself, as the receivers do not work.
{{ else }}Over. Sent by Alertmanager itself.
{{ end }}{{ range .Alerts }}
* {{ .Annotations.summary }} ({{ .Labels.severity }})
  {{ .Annotations.description }}
  Since {{ .StartsAt.UTC.Format "2006-01-02 15:04:05 MST" }}.
{{ end }}{{ if eq .Status "firing" }}
What to do: %s
{{ end }}"""


def second_way(policy: Policy, reveal: Reveal | None) -> dict[str, Any] | None:
    """The receiver; None if no channel that Alertmanager can use is enabled."""
    usable = channels(policy, with_secrets=reveal is not None)
    configs: dict[str, Any] = {}
    if "email" in usable:
        configs["email_configs"] = [_email(policy, reveal)]
    if "slack" in usable:
        configs["slack_configs"] = [_slack(policy, reveal)]
    if "telegram" in usable and reveal is not None:
        configs["telegram_configs"] = [_telegram(policy, reveal)]
    return {"name": RECEIVER, **configs} if configs else None


def route(policy: Policy) -> dict[str, Any]:
    """The way to it, past everything that is muted or grouped for the receivers."""
    own = policy.alerting.second_way
    return {
        "receiver": RECEIVER,
        "matchers": [one_of(labels.ALERTNAME, [alert.name for alert in ALERTS])],
        # One message about all that is the matter, again when it gets worse.
        "group_by": [labels.ALERTNAME],
        "group_wait": duration(policy.alerting.routing.critical.group_wait_seconds),
        "group_interval": duration(own.group_interval_seconds),
        "repeat_interval": duration(own.repeat_minutes * 60),
        "continue": True,
    }


def remarks(policy: Policy, reveal: Reveal | None) -> Iterator[str]:
    """What a reader of the configuration has to know."""
    if not policy.alerting.second_way.enabled:
        yield "Nobody is told if the receivers die: alerting.second_way.enabled is false."
        return
    own = policy.alerting.channels
    for name, what, is_needed in (
        (_SLACK_FILE, "the URL of Slack's webhook", own.slack.enabled),
        (_SMTP_FILE, "the password of the mail server",
         own.email.enabled and own.email.password is not None),
    ):  # fmt: skip
        if is_needed and not reveal:
            path = _file(policy, name)
            yield f"{path}, from the folder that Alertmanager is started in, has to hold {what}."
    if own.telegram.enabled and "telegram" not in channels(policy, with_secrets=True):
        yield "Telegram is no second way: Alertmanager takes a chat_id that is a number only."
    elif own.telegram.enabled and not reveal:
        yield "Telegram is no second way here, as its token would have to stand in this file."
    if second_way(policy, reveal) is None:
        yield "Nobody is told if the receivers die: enable email or Slack in the policy for that."


def _email(policy: Policy, reveal: Reveal | None) -> dict[str, Any]:
    email = policy.alerting.channels.email
    host = f"[{email.smtp_host}]" if ":" in email.smtp_host else email.smtp_host
    return {
        "send_resolved": True,
        "to": ", ".join(email.to_addresses),
        "from": email.from_address,
        "smarthost": f"{host}:{email.smtp_port}",
        "require_tls": email.use_tls,
        **_login(policy, email, reveal),
        "headers": {"Subject": _subject(policy)},
        "text": _text(),
        # Empty: one part, and nothing that a mail reader might refuse to show.
        "html": "",
    }


def _login(policy: Policy, email: Email, reveal: Reveal | None) -> dict[str, str]:
    if not email.username or email.password is None:
        return {}
    if reveal:
        return {"auth_username": email.username, "auth_password": reveal(email.password)}
    return {"auth_username": email.username, "auth_password_file": _file(policy, _SMTP_FILE)}


def _file(policy: Policy, name: str) -> str:
    return f"{policy.alerting.second_way.secrets_path}/{name}"


def _slack(policy: Policy, reveal: Reveal | None) -> dict[str, Any]:
    slack = policy.alerting.channels.slack
    mentions = " ".join(_mention(one) for one in slack.mention_on_critical)
    shout = f'{{{{ if eq .Status "firing" }}}}{mentions} {{{{ end }}}}' if mentions else ""
    return {
        "send_resolved": True,
        **(
            {"api_url": reveal(slack.webhook_url)}
            if reveal
            else {"api_url_file": _file(policy, _SLACK_FILE)}
        ),
        **({"channel": slack.channel} if slack.channel else {}),
        "title": _subject(policy),
        "text": shout + _text(),
        "fallback": _subject(policy),
    }


def _subject(policy: Policy) -> str:
    mark = policy.alerting.channels.mark
    return f"[{mark}] {_SUBJECT}" if mark else _SUBJECT


def _text() -> str:
    """With the advice itself: the runbooks are served by the receivers, which are dead."""
    advice = "".join(
        f'{{{{ if eq .CommonLabels.alertname "{alert.name}" }}}}{alert.advice}{{{{ end }}}}'
        for alert in ALERTS
    )
    return _TEXT % advice


def _mention(name: str) -> str:
    """Slack's markup for ``@channel`` and its kind, a member's id or a user group's."""
    if name.startswith("@"):
        return f"<!{name[1:]}>"
    return f"<!subteam^{name}>" if name.startswith("S") else f"<@{name}>"


def _telegram(policy: Policy, reveal: Reveal) -> dict[str, Any]:
    telegram = policy.alerting.channels.telegram
    return {
        "send_resolved": True,
        "bot_token": reveal(telegram.bot_token),
        "chat_id": int(telegram.chat_id),
        "api_url": telegram.api_url,
        # Plain, so that no alert can break the markup and with it the message.
        "parse_mode": "",
        "message": f"{_subject(policy)}\n{_text()}",
    }
