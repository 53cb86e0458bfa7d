"""The one way in which people are told about incidents: by itself now, or in a digest later."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Final

from msgspec import structs

from risk_policy.catalogue.system import ALERT_STORM
from risk_policy.contracts.audit import EventType
from risk_policy.quantities import duration
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.quiet import table
from risk_receivers.quiet.decision import decide, goes_on
from risk_receivers.quiet.digest import Digest, Waiting, digest_of
from risk_receivers.quiet.terms import Terms
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction

_AT_ONCE: Final = "Emergencies, escalations and the kill switch are told at once as ever."


class Teller:
    """Decides what is told now, and tells what had to wait. Holds no state of its own."""

    def __init__(self, outbox: Outbox, terms: Terms) -> None:
        self.outbox = outbox
        self.terms = terms

    def tell(self, transaction: Transaction, message: Message) -> int:
        """Tell people, now or later; how many messages are new in the outbox."""
        connection, now = transaction.connection, transaction.now
        if not self.outbox.reaches(message):
            return 0
        recent = table.recent(connection, self.terms, message, now)
        if recent is None:
            return 0
        verdict = decide(self.terms, message, recent, now)
        messages = 0
        if verdict.storm and verdict.until:
            messages = self._begin_storm(transaction, verdict.storm, verdict.until)
        table.note(connection, message, verdict, now)
        if verdict.reason is None:
            messages += self.outbox.owe(connection, message)
        return messages

    def digest(self, transaction: Transaction) -> int:
        """Tell of everything that has waited long enough, if it is time; how many messages."""
        connection, now = transaction.connection, transaction.now
        due_at = table.due_at(connection, self.terms, now)
        if due_at is None or due_at > now:
            return 0
        told = table.waiting(connection, self.terms, now)
        storm = table.going_on(connection)
        ended = None
        if storm:
            if goes_on(self.terms, *table.news_of(connection, self.terms, now)):
                table.prolong_storm(connection, storm, now + self.terms.window)
            else:
                ended = self._end_storm(transaction, storm)
        if not told and ended is None:
            return 0
        return self._tell_digest(transaction, told, ended, goes_on=bool(storm) and ended is None)

    def _begin_storm(self, transaction: Transaction, cause: str, until: datetime) -> int:
        connection, now = transaction.connection, transaction.now
        is_known = table.is_known_storm(connection, now)
        window = duration(self.terms.window.total_seconds())
        text = (
            f"{cause[:1].upper()}{cause[1:]}. Until that ends, people are told of what begins and "
            f"ends in a digest every {window}. {_AT_ONCE} Everything is on record."
        )
        seq = transaction.append(
            AuditEvent(
                EventType.STORM_BEGAN,
                f"alert storm: {cause}",
                severity=ALERT_STORM.severity,
                category=ALERT_STORM.category,
                details={"cause": cause, "until": to_text(until), "told_before": is_known},
            )
        )
        table.begin_storm(connection, now, until, seq)
        if is_known:
            return 0
        return self.outbox.owe(
            connection,
            Message(
                subject=f"storm:{seq}",
                kind=Kind.STORM,
                severity=ALERT_STORM.severity,
                title=ALERT_STORM.name,
                text=text,
                at=now,
                audit_seq=seq,
                runbook_url=self.terms.storm_runbook,
                summary=f"Alert storm: {cause}",
                category=ALERT_STORM.category.value,
            ),
        )

    def _end_storm(self, transaction: Transaction, storm: table.Storm) -> str:
        now = transaction.now
        lasted = duration(max(round((now - storm.began_at).total_seconds()), 1))
        table.end_storm(transaction.connection, storm, now)
        text = f"the alert storm is over after {lasted}"
        transaction.append(
            AuditEvent(
                EventType.STORM_ENDED,
                text,
                severity=Severity.INFO,
                category=ALERT_STORM.category,
                details={"began_in": storm.audit_seq, "began_at": to_text(storm.began_at)},
            )
        )
        return f"{text[:1].upper()}{text[1:]}; people are told one by one again."

    def _tell_digest(
        self,
        transaction: Transaction,
        told: tuple[Waiting, ...],
        ended: str | None,
        *,
        goes_on: bool,
    ) -> int:
        connection, now = transaction.connection, transaction.now
        seq = transaction.append(_event(told, ended, now))
        table.mark_told(connection, told, seq, now)
        window = duration(self.terms.window.total_seconds())
        more = f"The storm goes on; the next digest comes in {window}. {_AT_ONCE}"
        last_words = ended or (more if goes_on else "")
        messages = 0
        # A channel is told of what it would have been told of, and of nothing else.
        for least, channels in self.outbox.channels_by_severity.items():
            mine = tuple(one for one in told if one.severity.rank >= least.rank)
            knows_of_storm = ended is not None and least.rank <= ALERT_STORM.severity.rank
            if not mine and not knows_of_storm:
                continue
            digest = digest_of(mine, now) if mine else Digest(ended or "", Severity.DEBUG, ("",))
            if knows_of_storm:  # whoever was told of the one is told of the other
                louder = max(digest.severity, ALERT_STORM.severity, key=lambda one: one.rank)
                digest = replace(digest, severity=louder)
            for message in _messages(digest, seq, now, last_words, is_last=ended is not None):
                messages += self.outbox.owe(connection, message, channels)
        return messages


def _messages(
    digest: Digest, seq: int, now: datetime, last_words: str, *, is_last: bool
) -> list[Message]:
    first = Message(
        subject=f"digest:{seq}",
        kind=Kind.DIGEST,
        severity=digest.severity,
        title=f"{ALERT_STORM.name} OVER" if is_last else "DIGEST",
        text="",
        at=now,
        audit_seq=seq,
    )
    count = len(digest.parts)
    messages = []
    for number, part in enumerate(digest.parts, start=1):
        summary = f"{digest.summary} ({number} of {count})" if count > 1 else digest.summary
        named = f"{summary}:\n{part}" if part else ""
        text = "\n".join(filter(None, (named, last_words if number == count else "")))
        about = str(number) if count > 1 else ""
        messages.append(structs.replace(first, summary=summary, text=text, about=about))
    return messages


def _event(told: tuple[Waiting, ...], ended: str | None, now: datetime) -> AuditEvent:
    """What a digest covers, incident by incident."""
    covered: dict[tuple[str, str, int], list[Waiting]] = {}
    for one in told:
        covered.setdefault(one.key, []).append(one)
    incidents: list[JsonValue] = [
        {
            "incident": messages[0].incident,
            "alertname": messages[0].alertname,
            "severity": messages[0].severity.value,
            "messages": len(messages),
            "reasons": tuple(sorted({one.reason.value for one in messages})),
            "since": to_text(min(one.at for one in messages)),
        }
        for messages in covered.values()
    ]
    return AuditEvent(
        EventType.DIGEST_WRITTEN,
        f"digest: {digest_of(told, now).summary}" if told else f"digest: {ended}",
        severity=max((one.severity for one in told), key=lambda one: one.rank, default=None),
        category=Category.SYSTEM,
        details={"messages": len(told), "incidents": incidents},
    )
