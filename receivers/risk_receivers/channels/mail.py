"""A message as a mail: multipart text and HTML, safe headers, one thread for each incident.

A mail that is sent again after an unclear end is the same mail, but that it says so: programs
that read it recognise its Message-ID.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from risk_policy.vocabulary import Severity
from risk_receivers.channels.attached import Attachment
from risk_receivers.channels.envelope import domain_of
from risk_receivers.channels.message import Kind, Owed
from risk_receivers.channels.rendered import Rendered

#: Hexadecimal digits of an id: more than enough to be unique, and short enough for one line.
_ID_DIGITS: Final = 32


def compose(
    owed: Owed,
    rendered: Rendered,
    sender: str,
    recipients: Sequence[str],
    attachment: Attachment | None = None,
) -> EmailMessage:
    """The mail that says a message."""
    message = owed.message
    mail = EmailMessage(policy=SMTP)
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = " ".join(rendered.subject.split())
    mail["Date"] = format_datetime(message.at)
    domain = domain_of(sender)
    mail["Message-ID"] = _id(domain, "message", owed.id, message.subject, message.key)
    # No mail has the thread's own id, so that the thread holds together whichever comes first.
    thread = _id(domain, "thread", message.subject)
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    if owed.attempt > 1:
        mail["X-Riskwarden-Attempt"] = str(owed.attempt)
    mail["Auto-Submitted"] = "auto-generated"  # no absence note answers it
    mail["X-Auto-Response-Suppress"] = "All"  # the same for Exchange
    if message.severity.rank >= Severity.CRITICAL.rank and message.kind is not Kind.RESOLVED:
        mail["Importance"] = "high"
    mail.set_content(rendered.text)
    if rendered.html:
        mail.add_alternative(rendered.html, subtype="html")
    if attachment is not None:
        kind, _, subtype = attachment.media_type.partition("/")
        mail.add_attachment(
            attachment.content, maintype=kind, subtype=subtype, filename=attachment.name
        )
    return mail


def _id(domain: str, *what: str) -> str:
    digest = hashlib.sha256("\0".join(what).encode("utf-8", "replace")).hexdigest()
    return f"<{digest[:_ID_DIGITS]}.riskwarden@{domain}>"
