"""The service's own tables. They live in the store's database, beside the audit chain.

Times are ISO 8601 text in UTC with microseconds, so they sort as they are. The keys make
at-least-once intake and delivery exactly-once in effect.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

SCHEMA: Final = (
    """
    CREATE TABLE IF NOT EXISTS incident (
        risk_id TEXT NOT NULL,
        tier TEXT NOT NULL,
        episode INTEGER NOT NULL,
        state TEXT NOT NULL,
        alertname TEXT NOT NULL,
        severity TEXT NOT NULL,
        category TEXT,
        action TEXT NOT NULL,
        starts_at TEXT NOT NULL,
        ends_at TEXT,
        last_seen_at TEXT NOT NULL,
        counted_end TEXT,
        dispatched INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        labels TEXT NOT NULL,
        annotations TEXT NOT NULL,
        PRIMARY KEY (risk_id, tier, episode)
    ) WITHOUT ROWID
    """,
    "DROP INDEX IF EXISTS incident_open",  # by a time that every repeat moves
    "DROP INDEX IF EXISTS incident_open_by_severity",  # the latest could not be found by it
    # Only a query that spells the states out in the same way uses it; values of its own do not.
    """
    CREATE INDEX IF NOT EXISTS incident_open_by_age ON incident (created_at, severity)
        WHERE state IN ('CREATED', 'DISPATCHED')
    """,
    "CREATE INDEX IF NOT EXISTS incident_created ON incident (created_at)",
    """
    CREATE INDEX IF NOT EXISTS incident_expired ON incident (ends_at) WHERE state = 'EXPIRED'
    """,
    # What the latest episode of each (risk_id, tier) holds. There, and not in `incident`, stands
    # which resolutions were counted: `counted_end` above is only read from older databases.
    """
    CREATE TABLE IF NOT EXISTS incident_alert (
        risk_id TEXT NOT NULL,
        tier TEXT NOT NULL,
        severity TEXT NOT NULL,
        escalation TEXT NOT NULL,
        standing TEXT NOT NULL,
        starts_at TEXT NOT NULL,
        ends_at TEXT,
        counted_end TEXT,
        told INTEGER NOT NULL,
        PRIMARY KEY (risk_id, tier, severity, escalation)
    ) WITHOUT ROWID
    """,
    """
    CREATE INDEX IF NOT EXISTS incident_alert_firing ON incident_alert (ends_at)
        WHERE standing = 'FIRING'
    """,
    # A database from before an incident could hold several alerts: it holds the one it is.
    """
    INSERT INTO incident_alert
        SELECT risk_id, tier, severity, 'none',
            CASE state WHEN 'RESOLVED' THEN 'ENDED' WHEN 'EXPIRED' THEN 'LAPSED' ELSE 'FIRING' END,
            starts_at, ends_at,
            CASE state WHEN 'RESOLVED' THEN ends_at ELSE counted_end END,
            dispatched
        FROM incident
        WHERE episode = (
                SELECT max(episode) FROM incident AS any_episode
                WHERE any_episode.risk_id = incident.risk_id AND any_episode.tier = incident.tier
            )
            AND NOT EXISTS (
                SELECT 1 FROM incident_alert AS held
                WHERE held.risk_id = incident.risk_id AND held.tier = incident.tier
            )
    """,
    # One row per status an episode has had: the second arrival of any of them changes nothing.
    """
    CREATE TABLE IF NOT EXISTS alert (
        risk_id TEXT NOT NULL,
        tier TEXT NOT NULL,
        episode INTEGER NOT NULL,
        status TEXT NOT NULL,
        feed TEXT NOT NULL,
        received_at TEXT NOT NULL,
        audit_seq INTEGER NOT NULL,
        PRIMARY KEY (risk_id, tier, episode, status)
    ) WITHOUT ROWID
    """,
    """
    CREATE INDEX IF NOT EXISTS alert_resolved ON alert (received_at) WHERE status = 'RESOLVED'
    """,
    """
    CREATE TABLE IF NOT EXISTS kill_event (
        n INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        kill_id TEXT NOT NULL,
        at TEXT NOT NULL,
        trigger_key TEXT UNIQUE,
        mode TEXT,
        cause TEXT NOT NULL,
        level TEXT NOT NULL,
        audit_seq INTEGER NOT NULL
    )
    """,
    # Beside the table, which older databases have without it.
    "CREATE TABLE IF NOT EXISTS kill_event_account (n INTEGER PRIMARY KEY, account TEXT NOT NULL)",
    # What is not over everything, as an event of an older database is.
    "CREATE TABLE IF NOT EXISTS kill_event_scope (n INTEGER PRIMARY KEY, scope TEXT NOT NULL)",
    # What is in force; what was lifted is told by the chain alone.
    """
    CREATE TABLE IF NOT EXISTS restriction (
        id TEXT NOT NULL UNIQUE,
        risk_id TEXT NOT NULL,
        tier TEXT NOT NULL,
        kind TEXT NOT NULL,
        scope TEXT NOT NULL,
        size_ratio REAL,
        cause TEXT NOT NULL,
        level TEXT NOT NULL,
        since TEXT NOT NULL,
        incident TEXT NOT NULL,
        latches INTEGER NOT NULL,
        standing TEXT NOT NULL,
        PRIMARY KEY (risk_id, tier, kind)
    ) WITHOUT ROWID
    """,
    # What would have been the trigger's key, had the alert feed delivered it.
    """
    CREATE TABLE IF NOT EXISTS doubted_kill (
        trigger_key TEXT PRIMARY KEY,
        alert_id TEXT NOT NULL,
        alertname TEXT NOT NULL,
        risk_id TEXT NOT NULL,
        description TEXT NOT NULL,
        first_at TEXT NOT NULL,
        told INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS message (
        id INTEGER PRIMARY KEY,
        subject TEXT NOT NULL,
        channel TEXT NOT NULL,
        kind TEXT NOT NULL,
        body BLOB NOT NULL,
        created_at TEXT NOT NULL,
        delivered_at TEXT,
        UNIQUE (subject, channel, kind)
    )
    """,
    "CREATE INDEX IF NOT EXISTS message_owed ON message (channel, id) WHERE delivered_at IS NULL",
    """
    CREATE TABLE IF NOT EXISTS dead_message (
        id INTEGER PRIMARY KEY,
        at TEXT NOT NULL,
        reason TEXT NOT NULL
    )
    """,
    # Those of them that nobody has to look after: the channel that told people instead, empty if
    # somebody does not want it sent any more.
    "CREATE TABLE IF NOT EXISTS dealt_with (id INTEGER PRIMARY KEY, told_by TEXT NOT NULL)",
    # Messages that go before others. Beside the table, which older databases have without it.
    "CREATE TABLE IF NOT EXISTS urgent_message (id INTEGER PRIMARY KEY)",
    # Which message took over from which, and from which it was at first. Beside the table, which
    # older databases have without it.
    """
    CREATE TABLE IF NOT EXISTS takeover (
        id INTEGER PRIMARY KEY,
        failed INTEGER NOT NULL,
        origin INTEGER NOT NULL,
        at TEXT NOT NULL
    )
    """,
    "CREATE INDEX IF NOT EXISTS takeover_origin ON takeover (origin)",
    # How often a message that is not confirmed was handed to its channel.
    """
    CREATE TABLE IF NOT EXISTS message_attempt (
        id INTEGER PRIMARY KEY,
        attempts INTEGER NOT NULL
    )
    """,
    # What is known of a message goes with it: its number may be given to another.
    """
    CREATE TRIGGER IF NOT EXISTS message_gone AFTER DELETE ON message BEGIN
        DELETE FROM dead_message WHERE id = OLD.id;
        DELETE FROM dealt_with WHERE id = OLD.id;
        DELETE FROM urgent_message WHERE id = OLD.id;
        DELETE FROM takeover WHERE id = OLD.id;
        DELETE FROM message_attempt WHERE id = OLD.id;
    END
    """,
    # Buttons that stand under messages in chats, as long as they may have to be changed; the
    # latest have the highest number. Before they had one of their own they were in another table.
    """
    CREATE TABLE IF NOT EXISTS placed_button (
        n INTEGER PRIMARY KEY,
        chat INTEGER NOT NULL,
        message INTEGER NOT NULL,
        incident TEXT NOT NULL,
        digest BLOB NOT NULL,
        asks TEXT NOT NULL,
        UNIQUE (chat, message)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS placed_buttons (
        chat INTEGER NOT NULL,
        message INTEGER NOT NULL,
        incident TEXT NOT NULL,
        digest BLOB NOT NULL,
        asks TEXT NOT NULL,
        PRIMARY KEY (chat, message)
    )
    """,
    """
    INSERT INTO placed_button (chat, message, incident, digest, asks)
        SELECT chat, message, incident, digest, asks FROM placed_buttons
        WHERE 1 = 1 ORDER BY message ON CONFLICT DO NOTHING
    """,
    "DROP TABLE placed_buttons",
    # Presses in Slack that were answered and not done yet.
    """
    CREATE TABLE IF NOT EXISTS slack_press (
        n INTEGER PRIMARY KEY,
        "user" TEXT NOT NULL,
        name TEXT NOT NULL,
        data TEXT NOT NULL,
        shown TEXT NOT NULL,
        at TEXT NOT NULL
    )
    """,
    # Every message about an incident, told by itself (no reason) or waiting for a digest. What is
    # too much is judged by these rows, so that a restart changes nothing about it.
    """
    CREATE TABLE IF NOT EXISTS announcement (
        n INTEGER PRIMARY KEY,
        risk_id TEXT NOT NULL,
        tier TEXT NOT NULL,
        episode INTEGER NOT NULL,
        kind TEXT NOT NULL,
        message_key TEXT NOT NULL,
        alertname TEXT NOT NULL,
        severity TEXT NOT NULL,
        is_news INTEGER NOT NULL,
        reason TEXT NOT NULL,
        at TEXT NOT NULL,
        until TEXT,
        told_at TEXT,
        digest INTEGER,
        UNIQUE (risk_id, tier, episode, message_key)
    )
    """,
    # However much there is, no question takes longer than what it counts to.
    """
    CREATE INDEX IF NOT EXISTS announcement_breach ON announcement (risk_id, tier, told_at)
    """,
    "DROP INDEX IF EXISTS announcement_news",  # by a number where a truth is meant
    "CREATE INDEX IF NOT EXISTS announcement_is_news ON announcement (at) WHERE is_news = 1",
    """
    CREATE INDEX IF NOT EXISTS announcement_told ON announcement (severity, at) WHERE reason = ''
    """,
    "CREATE INDEX IF NOT EXISTS announcement_due ON announcement (until) WHERE told_at IS NULL",
    """
    CREATE TABLE IF NOT EXISTS storm (
        n INTEGER PRIMARY KEY,
        began_at TEXT NOT NULL,
        until TEXT NOT NULL,
        audit_seq INTEGER NOT NULL,
        ended_at TEXT
    )
    """,
    "CREATE TABLE IF NOT EXISTS report (id TEXT PRIMARY KEY, kind TEXT NOT NULL) WITHOUT ROWID",
    # Beside the table, which older databases have without it.
    """
    CREATE TABLE IF NOT EXISTS report_content (
        id TEXT NOT NULL,
        digest TEXT NOT NULL,
        accepted INTEGER NOT NULL,
        PRIMARY KEY (id, digest)
    ) WITHOUT ROWID
    """,
    # When an id was taken; those of an older version are kept.
    "CREATE TABLE IF NOT EXISTS report_at (id TEXT PRIMARY KEY, at TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS merged_trip (id TEXT PRIMARY KEY) WITHOUT ROWID",
    # Every silence that was ever seen, and the acknowledgements among them (those with tiers).
    """
    CREATE TABLE IF NOT EXISTS silence (
        id TEXT PRIMARY KEY,
        standing TEXT NOT NULL,
        matchers TEXT NOT NULL,
        starts_at TEXT NOT NULL,
        ends_at TEXT NOT NULL,
        author TEXT NOT NULL,
        comment TEXT NOT NULL,
        risk_id TEXT NOT NULL,
        tiers TEXT NOT NULL,
        incident TEXT NOT NULL,
        made_at TEXT NOT NULL,
        extend_until TEXT,
        ended_at TEXT,
        excess TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS silence_ended ON silence (ended_at)",
    # Of each open incident it is asked whether one of them keeps it quiet.
    "CREATE INDEX IF NOT EXISTS silence_about ON silence (risk_id, ended_at)",
    """
    CREATE TABLE IF NOT EXISTS quarantine (
        feed TEXT NOT NULL,
        digest TEXT NOT NULL,
        reason TEXT NOT NULL,
        content BLOB NOT NULL,
        size INTEGER NOT NULL,
        seen INTEGER NOT NULL,
        first_at TEXT NOT NULL,
        last_at TEXT NOT NULL,
        PRIMARY KEY (feed, digest)
    ) WITHOUT ROWID
    """,
    # Tokens that were given to somebody; never the token itself.
    """
    CREATE TABLE IF NOT EXISTS given_token (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        roles TEXT NOT NULL,
        digest BLOB NOT NULL,
        created_at TEXT NOT NULL,
        created_by TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        revoked_at TEXT,
        last_used_at TEXT
    ) WITHOUT ROWID
    """,
    # Who may log in: a password's Argon2id hash, never the password, and an authenticator's secret
    # sealed with a key that is kept elsewhere.
    """
    CREATE TABLE IF NOT EXISTS person (
        name TEXT PRIMARY KEY,
        roles TEXT NOT NULL,
        password TEXT NOT NULL,
        created_at TEXT NOT NULL,
        created_by TEXT NOT NULL,
        changed_at TEXT NOT NULL,
        disabled_at TEXT,
        totp BLOB,
        last_login_at TEXT
    ) WITHOUT ROWID
    """,
    # From where each token and each user has come.
    """
    CREATE TABLE IF NOT EXISTS seen_address (
        who TEXT NOT NULL,
        address TEXT NOT NULL,
        first_at TEXT NOT NULL,
        PRIMARY KEY (who, address)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
)


def to_text(at: datetime) -> str:
    """A time as it is stored."""
    # Two equal times of a zone with summer time need not be the same moment.
    return _of_utc(at) if at.tzinfo is UTC else _text_of(at)


def _text_of(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")


#: One alert has each of its times written in several places.
_of_utc: Final = lru_cache(maxsize=64)(_text_of)


def from_text(text: str) -> datetime:
    """A stored time."""
    return datetime.fromisoformat(text)


def optional_text(at: datetime | None) -> str | None:
    """A time that may be missing, as it is stored."""
    return None if at is None else to_text(at)


def optional_time(text: str | None) -> datetime | None:
    """A stored time that may be missing."""
    return None if text is None else from_text(text)
