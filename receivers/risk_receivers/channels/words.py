"""A message in the plainest words, in the markup of any channel.

They also stand in for a template that renders to nothing: a message that says nothing would be
refused by most services, and by the others it would count as told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from html import escape
from typing import Final

from risk_receivers.channels.cutting import clean, html_to_plain
from risk_receivers.channels.message import Kind, Owed
from risk_receivers.channels.rendered import Render, Rendered

_CONTROL: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def _as_it_is(text: str) -> str:
    return text


#: How a channel's markup is kept from reading what is no markup as such.
_ESCAPES: Final[Mapping[str, Callable[[str], str]]] = {
    "slack": lambda text: text.translate(_CONTROL),
    "telegram": escape,
}


def words_for(channel: str) -> Render:
    """Plain words for a channel of that name."""
    escaped = _ESCAPES.get(channel, _as_it_is)

    def render(owed: Owed) -> Rendered:
        message = owed.message
        over = " resolved" if message.kind is Kind.RESOLVED else ""
        subject = f"{message.severity.value.upper()} {message.title}{over}"
        since = (
            message.starts_at.astimezone(UTC).isoformat(" ", "seconds") if message.starts_at else ""
        )
        lines = (
            subject,
            message.text,
            f"About: {message.risk_id}" if message.risk_id else "",
            f"Since: {since}" if since else "",
            f"What to do: {message.runbook_url}" if message.runbook_url else "",
            f"Audit: {message.audit_seq}, head {owed.head}",
        )
        return Rendered(subject, escaped("\n".join(filter(None, lines))))

    return render


def never_empty(channel: str, render: Render) -> Render:
    """The same words, and plain ones in the place of none."""
    plain = words_for(channel)

    def render_something(owed: Owed) -> Rendered:
        rendered, instead = render(owed), plain(owed)
        return Rendered(
            rendered.subject if _says_something(rendered.subject) else instead.subject,
            rendered.text if _says_something(rendered.text) else instead.text,
            rendered.html,
        )

    return render_something


def _says_something(text: str) -> bool:
    return bool(html_to_plain(clean(text)).strip())
