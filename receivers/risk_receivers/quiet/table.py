"""The rows by which it is judged what is too much, and in which waits what is held back.

A clock may be set. Whatever these rows say of the future counts as never said, and what would
have to wait for longer than anything may is due at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from risk_policy.catalogue.system import ALERT_STORM
from risk_policy.vocabulary import Severity
from risk_receivers.channels.message import Kind, Message
from risk_receivers.database.connection import Connection
from risk_receivers.facts import fact, keep_fact
from risk_receivers.quiet.decision import Reason, Recent, Verdict, category_of, is_news
from risk_receivers.quiet.digest import Waiting
from risk_receivers.quiet.terms import MINUTE, Terms
from risk_receivers.schema import from_text, optional_text, optional_time, to_text

_DIGEST_AT: Final = "digest_at"
_OF_INCIDENT: Final = "FROM announcement WHERE risk_id = ?1 AND tier = ?2 AND episode = ?3"
_INSERT: Final = (
    "INSERT INTO announcement (risk_id, tier, episode, kind, message_key, alertname, "
    "severity, is_news, reason, at, until, told_at, digest) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
#: How bad each severity is, in SQL and back.
_RANK: Final = " ".join(f"WHEN '{severity.value}' THEN {severity.rank}" for severity in Severity)
_BY_RANK: Final = {severity.rank: severity for severity in Severity}
_WAITING: Final = (
    "SELECT w.n, w.risk_id, w.tier, w.episode, w.alertname, w.reason, w.at, i.state, "  # noqa: S608
    f"(SELECT max(CASE severity {_RANK} END) FROM announcement a "
    "WHERE a.risk_id = w.risk_id AND a.tier = w.tier AND a.episode = w.episode) "
    "FROM announcement w LEFT JOIN incident i USING (risk_id, tier, episode) "
    "WHERE w.told_at IS NULL AND (w.until <= ?1 OR w.until > ?2) ORDER BY w.n"
)
_STORM_IS_KNOWN: Final = (
    "SELECT 1 FROM announcement a JOIN incident i USING (risk_id, tier, episode) "
    "WHERE a.alertname = ? AND a.kind = 'firing' AND a.told_at IS NOT NULL "
    "AND i.state IN ('CREATED', 'DISPATCHED') AND a.at > ? LIMIT 1"
)
#: Alerts of a storm that began longer ago than this are no news about this one.
_KNOWN_FOR: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Storm:
    """One that goes on.

    Attributes:
        until: the end of its present window.
        audit_seq: the record that it began.
    """

    number: int
    began_at: datetime
    until: datetime
    audit_seq: int


def key_of(message: Message) -> tuple[str, str, int]:
    """Breach and episode of a message about an incident."""
    return message.risk_id, message.tier, int(message.subject.rpartition(":")[2])


def recent(connection: Connection, terms: Terms, message: Message, now: datetime) -> Recent | None:
    """What has happened of late, as far as it matters to a message.

    None if the same message was told or waits already.
    """
    key, present = key_of(message), to_text(now)
    window = to_text(now - terms.window)
    is_noted, announced, waiting_until, same_at = connection.execute(
        "SELECT max(CASE WHEN message_key = ?7 THEN 1 ELSE 0 END), "
        "max(CASE WHEN told_at IS NOT NULL THEN 1 ELSE 0 END), "
        "max(CASE WHEN told_at IS NULL THEN until END), "
        "max(CASE WHEN kind = ?4 AND told_at > ?5 AND told_at <= ?6 THEN told_at END) "
        f"{_OF_INCIDENT}",
        (*key, message.kind.value, window, present, message.key),
    ).fetchone()
    if is_noted:
        return None
    since = to_text(now - terms.cooldown(category_of(message)))
    told_before = connection.execute(
        "SELECT severity, told_at FROM announcement WHERE risk_id = ? AND tier = ? AND kind IN "
        "('firing', 'escalated', 'continued') AND told_at > ? AND told_at <= ? ORDER BY told_at",
        (*key[:2], since, present),
    )
    as_bad = [at for word, at in told_before if Severity(word).rank >= message.severity.rank]
    storm = going_on(connection)
    return Recent(
        announced=bool(announced),
        waiting_until=optional_time(waiting_until),
        same_at=optional_time(same_at),
        breach_at=from_text(as_bad[-1]) if as_bad else None,
        storm_until=storm.until if storm else None,
        news=0 if storm else _news(connection, terms, now),
        told_at=() if storm else _told_at(connection, terms, message.severity, now),
    )


def _news(connection: Connection, terms: Terms, now: datetime) -> int:
    """How much news there was within the window, as far as it makes a difference."""
    found = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM announcement "
        "WHERE is_news = 1 AND at > ? AND at <= ? LIMIT ?) AS news",
        (to_text(now - terms.window), to_text(now), terms.storm_count or 0),
    )
    return int(found.fetchone()[0])


def _told_at(
    connection: Connection, terms: Terms, severity: Severity, now: datetime
) -> tuple[datetime, ...]:
    """When messages of a severity were told within the last minute, as far as a limit asks."""
    found = connection.execute(
        "SELECT at FROM announcement WHERE reason = '' AND severity = ? AND at > ? AND at <= ? "
        "ORDER BY at DESC LIMIT ?",
        (severity.value, to_text(now - MINUTE), to_text(now), terms.limit(severity) or 0),
    )
    return tuple(from_text(at) for (at,) in reversed(found.fetchall()))


def note(connection: Connection, message: Message, verdict: Verdict, now: datetime) -> None:
    """Write down what became of a message."""
    told = verdict.reason is None
    connection.execute(
        _INSERT,
        (
            *key_of(message),
            message.kind.value,
            message.key,
            message.title,
            message.severity.value,
            int(is_news(message) and verdict.reason in (None, Reason.STORM)),
            verdict.reason.value if verdict.reason else "",
            to_text(now),
            optional_text(verdict.until),
            to_text(now) if told else None,
            None,
        ),
    )


def begin_storm(connection: Connection, now: datetime, until: datetime, audit_seq: int) -> None:
    """Write down that a storm is on."""
    connection.execute(
        "INSERT INTO storm (began_at, until, audit_seq) VALUES (?, ?, ?)",
        (to_text(now), to_text(until), audit_seq),
    )


def going_on(connection: Connection) -> Storm | None:
    """The storm that is on."""
    row = connection.execute(
        "SELECT n, began_at, until, audit_seq FROM storm WHERE ended_at IS NULL ORDER BY n DESC"
    ).fetchone()
    return Storm(row[0], from_text(row[1]), from_text(row[2]), row[3]) if row else None


def prolong_storm(connection: Connection, storm: Storm, until: datetime) -> None:
    """Give a storm another window."""
    connection.execute("UPDATE storm SET until = ? WHERE n = ?", (to_text(until), storm.number))


def end_storm(connection: Connection, storm: Storm, now: datetime) -> None:
    """Write down that a storm is over."""
    connection.execute("UPDATE storm SET ended_at = ? WHERE n = ?", (to_text(now), storm.number))


def is_known_storm(connection: Connection, now: datetime) -> bool:
    """Whether the rules' own alert about a storm is open and was told."""
    since = to_text(now - _KNOWN_FOR)
    return connection.execute(_STORM_IS_KNOWN, (ALERT_STORM.name, since)).fetchone() is not None


def news_of(
    connection: Connection, terms: Terms, now: datetime
) -> tuple[int, Mapping[Severity, int]]:
    """How much news there was in the last window, and how many beginnings by severity."""
    since, present = to_text(now - terms.window), to_text(now)
    counted = "FROM announcement WHERE is_news = 1 AND at > ? AND at <= ?"
    (news,) = connection.execute(f"SELECT count(*) {counted}", (since, present)).fetchone()
    firing = connection.execute(
        f"SELECT severity, count(*) {counted} AND kind = 'firing' GROUP BY severity",
        (since, present),
    )
    return news, {Severity(severity): count for severity, count in firing}


def due_at(connection: Connection, terms: Terms, now: datetime) -> datetime | None:
    """When the next digest is to be written, or a storm to be looked at."""
    if storm := going_on(connection):
        return _not_absurd(storm.until, terms, now)
    (until,) = connection.execute(
        "SELECT min(until) FROM announcement WHERE told_at IS NULL"
    ).fetchone()
    if until is None:
        return None
    last = optional_time(fact(connection, _DIGEST_AT))
    due = _not_absurd(from_text(until), terms, now)
    return max(due, last + terms.window) if last and last <= now else due


def waiting(connection: Connection, terms: Terms, now: datetime) -> tuple[Waiting, ...]:
    """Everything that is due."""
    rows = connection.execute(_WAITING, (to_text(now), to_text(now + terms.longest)))
    return tuple(
        Waiting(
            number=n,
            risk_id=risk_id,
            tier=tier,
            episode=episode,
            alertname=alertname,
            severity=_BY_RANK[rank],
            reason=Reason(reason),
            at=from_text(at),
            state=state or "",
        )
        for n, risk_id, tier, episode, alertname, reason, at, state, rank in rows
    )


def mark_told(
    connection: Connection, told: tuple[Waiting, ...], digest: int, now: datetime
) -> None:
    """Write down that a digest names these, and the end of those that are over."""
    at = to_text(now)
    connection.executemany(
        "UPDATE announcement SET told_at = ?, digest = ? WHERE n = ?",
        [(at, digest, one.number) for one in told],
    )
    over = {one.key: one for one in told if one.is_over}
    resolved = Kind.RESOLVED.value
    connection.executemany(
        _INSERT,
        [
            (
                *(*key, resolved, resolved, one.alertname, one.severity.value, 0),
                *(one.reason.value, at, None, at, digest),
            )
            for key, one in over.items()
        ],
    )
    keep_fact(connection, _DIGEST_AT, at)


def last_row(connection: Connection) -> int:
    """The number of the last row there is."""
    (last,) = connection.execute("SELECT coalesce(max(n), 0) FROM announcement").fetchone()
    return int(last)


def held_after(connection: Connection, number: int) -> tuple[int, Mapping[Reason, int]]:
    """How many messages were held back after a row, by why, and the last row there is."""
    last = last_row(connection)
    rows = connection.execute(
        "SELECT reason, count(*) FROM announcement "
        "WHERE n > ? AND n <= ? AND until IS NOT NULL GROUP BY reason",
        (number, last),
    )
    return last, {Reason(reason): count for reason, count in rows}


def _not_absurd(until: datetime, terms: Terms, now: datetime) -> datetime:
    return until if until <= now + terms.longest else now
