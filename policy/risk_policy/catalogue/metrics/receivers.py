"""What the receivers publish about themselves."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.metrics.metric import Metric

# -- the receivers -------------------------------------------------------------------------
FEED_ALERTS: Final = Metric(
    "risk_feed_alerts_total",
    "Alerts taken in and committed, by feed and outcome "
    "(created, escalated, repeated, resolved, ignored).",
    ("feed", "outcome"),
    kind="counter",
    component="receivers",
)
FEED_REQUESTS: Final = Metric(
    "risk_feed_requests_total",
    "Requests to a feed, by feed and HTTP status.",
    ("feed", "code"),
    kind="counter",
    component="receivers",
)
FEED_QUARANTINED: Final = Metric(
    "risk_feed_quarantined_total",
    "Malformed bodies or alerts kept aside.",
    ("feed",),
    kind="counter",
    component="receivers",
)
WATCHDOG_TIMESTAMP: Final = Metric(
    "risk_watchdog_timestamp_seconds",
    "When the Watchdog alert last arrived, by feed, Unix time.",
    ("feed",),
    component="receivers",
)
RECEIVERS_TIME: Final = Metric(
    "risk_receivers_time_seconds",
    "The receivers' clock at scrape time, Unix time.",
    (),
    component="receivers",
)
RECEIVERS_LEADER: Final = Metric(
    "risk_receivers_leader",
    "1 where the receivers lead, 0 where they stand by for those that do.",
    (),
    component="receivers",
)
INCIDENTS_OPEN: Final = Metric(
    "risk_incidents_open", "Open incidents, by severity.", ("severity",), component="receivers"
)
RESTRICTIONS: Final = Metric(
    "risk_restrictions",
    "Restrictions that alerts hold at the gate, by kind.",
    ("kind",),
    component="receivers",
)
INCIDENT_ESCALATIONS: Final = Metric(
    "risk_incident_escalations_total",
    "Incidents that came to count as worse, by why (time, frequency, trend, none).",
    ("escalation",),
    kind="counter",
    component="receivers",
)
KILL_SWITCH_TRIPPED: Final = Metric(
    "risk_kill_switch_tripped",
    "1 while the kill switch is tripped over everything.",
    (),
    component="receivers",
)
KILLS: Final = Metric(
    "risk_kill_switch_kills",
    "Kills in force, by the narrowest label that they are limited to (everything, account, "
    "strategy, venue, symbol).",
    ("scope",),
    component="receivers",
)
KILL_SWITCH_FLAT: Final = Metric(
    "risk_kill_switch_flat_confirmed",
    "1 once the runtime has confirmed that it is flat after the last trip.",
    (),
    component="receivers",
)
KILL_SWITCH_UNCONFIRMED: Final = Metric(
    "risk_kill_switch_unconfirmed_since_seconds",
    "Since when everything is to be closed and not every account has confirmed that it is flat, "
    "Unix time; 0 while there is nothing to confirm.",
    (),
    component="receivers",
)
KILL_UNCONFIRMED: Final = Metric(
    "risk_kill_alerts_unconfirmed_total",
    "Alerts that asked for the kill switch and came from Alertmanager only; they do not trip it.",
    (),
    kind="counter",
    component="receivers",
)
GATE_OPEN: Final = Metric(
    "risk_gate_open", "1 while the gate allows orders that add risk.", (), component="receivers"
)
GATE_VERSION: Final = Metric(
    "risk_gate_version", "Version of the published gate.", (), component="receivers"
)
GATE_PUBLISH_SECONDS: Final = Metric(
    "risk_gate_close_delay_seconds",
    "Time from receiving the tripping alert to the closed gate.",
    (),
    component="receivers",
)
MESSAGES: Final = Metric(
    "risk_messages_total",
    "Messages to people, by channel and outcome: sent, failed, or deferred while the channel "
    "asks for no longer a pause than the message can wait.",
    ("channel", "outcome"),
    kind="counter",
    component="receivers",
)
MESSAGE_DELAY: Final = Metric(
    "risk_message_delay_seconds",
    "Time from when a message to people is due until its channel has confirmed it, by channel.",
    ("channel",),
    kind="histogram",
    component="receivers",
)
STAGE_SECONDS: Final = Metric(
    "risk_pipeline_stage_seconds",
    "Time that what begins to fire takes, by stage: evaluation_to_receipt; receipt_to_record, with "
    "what the gate does about it; breach_to_gate, of both, where it holds orders back; and "
    "breach_to_human, of what is critical, until a channel has confirmed that somebody has it.",
    ("stage",),
    kind="histogram",
    component="receivers",
)
ACK_DELAY: Final = Metric(
    "risk_acknowledgement_delay_seconds",
    "Time from when an incident began until somebody first acknowledged it, by severity.",
    ("severity",),
    kind="histogram",
    component="receivers",
)
MESSAGES_HELD: Final = Metric(
    "risk_messages_held_total",
    "Messages held back for a digest, by reason "
    "(duplicate, cooldown, storm, rate_limit, unannounced).",
    ("reason",),
    kind="counter",
    component="receivers",
)
STORM: Final = Metric(
    "risk_alert_storm", "1 while new alerts are told in digests.", (), component="receivers"
)
MESSAGES_PENDING: Final = Metric(
    "risk_messages_pending",
    "Messages owed and not yet delivered, by channel.",
    ("channel",),
    component="receivers",
)
AUDIT_EVENTS: Final = Metric(
    "risk_audit_chain_size", "Events in the audit chain.", (), component="receivers"
)
AUDIT_RECORDED: Final = Metric(
    "risk_audit_events_total",
    "Events put into the audit chain by this process, by type; ALERT_* are what incidents go "
    "through.",
    ("event_type",),
    kind="counter",
    component="receivers",
)
WRITER_HEALTHY: Final = Metric(
    "risk_store_writer_healthy",
    "1 while the store accepts durable writes.",
    (),
    component="receivers",
)

KILL_SWITCH_ARMED: Final = Metric(
    "risk_kill_switch_armed",
    "1 while the kill switch would trip: neither tripped already nor disarmed.",
    (),
    component="receivers",
)
ACK_UNTIL: Final = Metric(
    "risk_ack_until_seconds",
    "Until when an alert's acknowledgement holds, Unix time; past if it was taken back.",
    ("risk_id", "tier"),
    component="receivers",
)
TEMPLATE_FAILURES: Final = Metric(
    "risk_template_failures_total",
    "Parts of messages that a template of the user failed to word, by channel; they went out "
    "in the built-in words.",
    ("channel",),
    kind="counter",
    component="receivers",
)
SILENCES_SEEN: Final = Metric(
    "risk_silences_synchronised",
    "1 while Alertmanager's silences can be read and changed; else acknowledgements only run out.",
    (),
    component="receivers",
)
SILENCES_UNREADABLE: Final = Metric(
    "risk_silences_unreadable",
    "Silences that Alertmanager lists and nobody here can make sense of.",
    (),
    component="receivers",
)
SILENCE_TOO_BROAD: Final = Metric(
    "risk_silence_too_broad",
    "1 for each silence that mutes more than an acknowledgement may.",
    ("silence",),
    component="receivers",
)
DEAD_LETTERS: Final = Metric(
    "risk_messages_dead",
    "Messages given up, by channel, that no other channel has taken over, and those that reached "
    "some of whom they are for, until somebody sends them again or dismisses them.",
    ("channel",),
    component="receivers",
)
CHANNEL_UP: Final = Metric(
    "risk_channel_up",
    "1 while the latest message through a channel was confirmed and its checks pass; absent until "
    "either is known.",
    ("channel",),
    component="receivers",
)
CHANNEL_BREAKDOWNS: Final = Metric(
    "risk_channel_breakdowns_total",
    "How often a channel that worked, or of which nothing was known yet, began to fail.",
    ("channel",),
    kind="counter",
    component="receivers",
)
FAILOVERS: Final = Metric(
    "risk_channel_failovers_total",
    "Messages that a channel did not deliver and another took over.",
    ("channel", "to"),
    kind="counter",
    component="receivers",
)
STORE_ROWS: Final = Metric(
    "risk_store_rows",
    "Rows of the tables that retention prunes, when it last looked.",
    ("table",),
    component="receivers",
)
STORE_PRUNED: Final = Metric(
    "risk_store_pruned_time_seconds",
    "When everything that is over for longer than the policy keeps it was last removed, Unix time.",
    (),
    component="receivers",
)
AUDIT_RETAINED: Final = Metric(
    "risk_audit_retention_time_seconds",
    "When all payloads of the audit chain that were due had last been deleted, Unix time.",
    (),
    component="receivers",
)
AUDIT_RETENTION_STOPPED: Final = Metric(
    "risk_audit_retention_stopped",
    "1 while payloads that are due are kept: the clock is not to be believed, or deleting fails.",
    (),
    component="receivers",
)
AUDIT_INTACT: Final = Metric(
    "risk_audit_chain_intact",
    "0 once a record that was read back did not match the chain.",
    (),
    component="receivers",
)
AUDIT_HEAD: Final = Metric(
    "risk_audit_chain_head_word",
    "The Merkle root over the audit chain in five words of 52 bits, which a float holds exactly.",
    ("word",),
    component="receivers",
)
AUDIT_SIGNED: Final = Metric(
    "risk_audit_signed_size",
    "Events of the audit chain that the newest signed checkpoint covers.",
    (),
    component="receivers",
)
AUDIT_UNSIGNED: Final = Metric(
    "risk_audit_unsigned_seconds",
    "For how long the first event that no signed checkpoint covers has waited for one.",
    (),
    component="receivers",
)
REPORTS_FAILING: Final = Metric(
    "risk_reports_failing",
    "1 while a report that is due has not been written in several tries.",
    (),
    component="receivers",
)
SECURITY_EVENTS: Final = Metric(
    "risk_security_events_total",
    "Suspicious events, by kind (auth_failed, login_failed, rate_limited, intrusion, new_address, "
    "bulk_export, after_hours).",
    ("kind",),
    kind="counter",
    component="receivers",
)
LOGINS: Final = Metric(
    "risk_logins_total",
    "Log-ins of people, by what became of them (succeeded, failed, locked, busy, logged_out).",
    ("outcome",),
    kind="counter",
    component="receivers",
)
SESSIONS: Final = Metric(
    "risk_sessions",
    "Sessions of people who are logged in.",
    (),
    component="receivers",
)
SECURITY_BLOCKED: Final = Metric(
    "risk_security_blocked_addresses",
    "Addresses that the security monitor blocks.",
    (),
    component="receivers",
)
CERTIFICATE_EXPIRES: Final = Metric(
    "risk_certificate_expiry_timestamp_seconds",
    "When the certificate ends that the receivers show to people over TLS; absent where they serve "
    "none.",
    (),
    component="receivers",
)
SECRET_AGE: Final = Metric(
    "risk_secret_age_seconds",
    "How long ago a secret that is in use was changed; absent where nobody knows.",
    ("secret",),
    component="receivers",
)
SECRET_ROTATE_AFTER: Final = Metric(
    "risk_secret_rotate_after_seconds",
    "How old a secret that is in use may become, by the policy.",
    ("secret",),
    component="receivers",
)
BUTTON_PRESSES: Final = Metric(
    "risk_button_presses_total",
    "Presses of buttons under messages, by channel and what became of them (acknowledged, already, "
    "taken_back, not_acknowledged, over, stale, refused, failed).",
    ("channel", "outcome"),
    kind="counter",
    component="receivers",
)
BUTTONS_HEARD: Final = Metric(
    "risk_buttons_heard",
    "1 while presses of a channel's buttons would be heard of.",
    ("channel",),
    component="receivers",
)
