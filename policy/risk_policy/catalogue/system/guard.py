"""Alerts about security, the kill switch, escalation as such, and events."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.limits.limit import Kind
from risk_policy.catalogue.system.alert import SystemAlert
from risk_policy.vocabulary import Action, Category, Layer, Severity

# -- security --------------------------------------------------------------------------------


def _security(
    name: str, limit: str, severity: Severity, summary: str, meaning: str, advice: str
) -> SystemAlert:
    return SystemAlert(
        name, limit, severity, Action.REVIEW, "", summary, meaning, advice,
        category=Category.SECURITY,
    )  # fmt: skip


#: By the kind of event that the security monitor counts.
SECURITY_ALERTS: Final = {
    "auth_failed": _security(
        "SECURITY_AUTH_FAILED", "auth_failed", Severity.WARNING,
        "Somebody keeps failing to authenticate",
        "Wrong tokens arrive: a part with an old token, or somebody who guesses.",
        "Look for the address in the receivers' log; rotate the token if it may be known.",
    ),
    "login_failed": _security(
        "SECURITY_LOGIN_FAILED", "login_failed", Severity.WARNING,
        "Log-ins keep failing",
        "Somebody has forgotten a password, or guesses at it.",
        "See who and from where: riskwarden audit query --type LOGIN_REFUSED. If it was nobody of "
        "yours, keep the address out; if a password may be known, riskwarden user password.",
    ),
    "new_address": _security(
        "SECURITY_NEW_ADDRESS", "new_address", Severity.WARNING,
        "A token or a user comes from an address that it never came from before",
        "Somebody moved, a machine was given another address, or a secret is in other hands.",
        "See whose it is: riskwarden audit query --type NEW_ADDRESS_SEEN. If nobody knows the "
        "address, revoke the token or shut the user out: riskwarden token revoke, riskwarden user "
        "disable.",
    ),
    "rate_limited": _security(
        "SECURITY_RATE_LIMITED", "rate_limited", Severity.WARNING,
        "Somebody sends more requests than they may",
        "A client is broken, or the service is being probed.",
        "GET /api/v1/security shows addresses and blocks; keep it out if it is a stranger's.",
    ),
    "intrusion": _security(
        "SECURITY_INTRUSION", "intrusion", Severity.CRITICAL,
        "Requests look like an attack",
        "The monitor saw patterns of injection, path traversal or scanning.",
        "Block the address. Consider tripping the kill switch and rotating all keys.",
    ),
    "bulk_export": _security(
        "SECURITY_BULK_EXPORT", "bulk_export", Severity.CRITICAL,
        "Somebody exports data in bulk",
        "More data leaves than normal work needs.",
        "Ask who did it and why; revoke the token if nobody knows.",
    ),
    "after_hours": _security(
        "SECURITY_AFTER_HOURS", "after_hours", Severity.WARNING,
        "Somebody works outside business hours",
        "Access that is unusual at this time.",
        "Ask who it was.",
    ),
}  # fmt: skip

ADDRESS_BLOCKED: Final = SystemAlert(
    "SECURITY_ADDRESS_BLOCKED", "address_blocked", Severity.INFO, Action.LOG, "",
    "The security monitor blocks addresses",
    "Requests from them are refused.",
    "Check that none of them is yours: GET /api/v1/security shows them. A block ends by itself, or "
    "with DELETE /api/v1/security/blocks/<address>.",
    category=Category.SECURITY,
)  # fmt: skip

KEY_OVERDUE: Final = SystemAlert(
    "SECURITY_KEY_OVERDUE", "key_overdue", Severity.WARNING, Action.REVIEW, "",
    "A secret is older than it may become: {subject}",
    "The longer a secret is in use, the more places it may have got to.",
    "Make a new one, put it where the old one is, restart what reads it, and end the old one. If "
    "it is in an environment variable NAME, tell NAME_ROTATED_AT. GET /api/v1/security lists "
    "every secret with its age, those of which nobody knows it first; docs/security.md.",
    identity=("secret",),
    category=Category.SECURITY,
    measured="It is {value} old.",
    kind=Kind.TIME,
)  # fmt: skip

SILENCE_TOO_BROAD: Final = SystemAlert(
    "RISK_SILENCE_TOO_BROAD", "silence_too_broad", Severity.WARNING, Action.REVIEW, "",
    "A silence mutes more than an acknowledgement may: {subject}",
    "It covers alerts of more than one risk_id, or alerts that ask for action before they have "
    "fired, so people would not hear of them. The record and the kill switch go on regardless.",
    "Ask its author, whom the message and the audit chain name; end it in Alertmanager unless "
    "that is wanted.",
    identity=("silence",),
    category=Category.SECURITY,
)  # fmt: skip

#: A runtime tells its gates. That none holds is worth a word whenever it begins, whoever meant it.
LIVE_ORDERS_POSSIBLE: Final = SystemAlert(
    "LIVE_ORDERS_POSSIBLE", "live_orders", Severity.WARNING, Action.NOTIFY, "",
    "No gate is known to hold back live orders of account {subject}",
    "Its runtime tells that every gate in front of a live market is open, or does not tell it of "
    "all of them.",
    "If nobody meant to trade live now, trip the kill switch for the account and shut the gates in "
    "the runtime. riskwarden snapshot shows which are open.",
    identity=("account",),
    category=Category.SECURITY,
    is_event=True,
)  # fmt: skip

# -- the kill switch -------------------------------------------------------------------------


def _kill_switch(
    name: str,
    limit: str,
    severity: Severity,
    action: Action,
    texts: tuple[str, str, str],
    *,
    is_event: bool = False,
) -> SystemAlert:
    return SystemAlert(
        name, limit, severity, action, "", *texts,
        category=Category.KILL_SWITCH, layer=Layer.KILL_SWITCH, is_event=is_event,
    )  # fmt: skip


#: Tells people. It does not trip anything itself: what is tripped must stay clearable.
KILL_SWITCH_TRIGGERED: Final = _kill_switch(
    "KILL_SWITCH_TRIGGERED", "kill_switch_triggered", Severity.EMERGENCY, Action.NOTIFY,
    (
        "The kill switch is tripped",
        "New risk is refused; depending on its mode, positions are being closed or are closed.",
        "Check that the account is flat. Once the cause is known and over: riskwarden clear.",
    ),
)  # fmt: skip
KILL_SWITCH_ARMED: Final = _kill_switch(
    "KILL_SWITCH_ARMED", "kill_switch_armed", Severity.INFO, Action.LOG,
    (
        "The kill switch is armed",
        "It trips when the policy says so, or when somebody does.",
        "Nothing to do.",
    ),
    is_event=True,
)  # fmt: skip
KILL_SWITCH_DISARMED: Final = _kill_switch(
    "KILL_SWITCH_DISARMED", "kill_switch_disarmed", Severity.WARNING, Action.NOTIFY,
    (
        "The kill switch is disarmed",
        "Nothing will stop trading by itself, however bad it gets.",
        "Arm it again as soon as the reason for disarming it is gone: riskwarden arm.",
    ),
)  # fmt: skip
#: It trips nothing either: what is not flat yet is tripped already.
KILL_SWITCH_NOT_CONFIRMED: Final = SystemAlert(
    "KILL_SWITCH_NOT_CONFIRMED", "kill_switch_not_confirmed", Severity.EMERGENCY, Action.NOTIFY, "",
    "The kill switch is tripped and nobody has confirmed that everything is flat",
    "Closing takes longer than it may, was refused, or nothing is there that closes: positions may "
    "be open, and what they lose goes on.",
    "Look at the venue itself and close by hand what is open; then see why the runtime does not "
    "report it. It ends once every account that is concerned has confirmed that it is flat, or "
    "with riskwarden clear.",
    category=Category.KILL_SWITCH,
    layer=Layer.KILL_SWITCH,
    measured="That was asked for {value} ago.",
    kind=Kind.TIME,
)  # fmt: skip
KILL_SWITCH_EVALUATION: Final = SystemAlert(
    "KILL_SWITCH_EVALUATION", "kill_switch_evaluation", Severity.EMERGENCY, Action.REVIEW, "",
    "Nobody answers for account {subject}; decide about the kill switch",
    "An alert has waited for an acknowledgement longer than any may.",
    "Decide now: acknowledge what fires, or trip the kill switch.",
    identity=("account",),
    category=Category.KILL_SWITCH,
    layer=Layer.KILL_SWITCH,
    measured="The longest has waited {value}.",
    kind=Kind.TIME,
    trips_if="alerting.kill_switch.on_evaluation",
)  # fmt: skip
ALERT_STORM: Final = SystemAlert(
    "ALERT_STORM", "alert_storm", Severity.CRITICAL, Action.REVIEW, "",
    "Alerts of one kind keep starting: {subject}",
    "The same breach began so often that something is wrong with the book or with its figures.",
    "Find the common cause, and decide whether the kill switch should be tripped.",
    identity=("watched", "of_tier"),
    category=Category.KILL_SWITCH,
    layer=Layer.KILL_SWITCH,
    measured="It began {value} times.",
    never_escalates=True,
    trips_if="alerting.kill_switch.on_storm",
)  # fmt: skip

# -- events ----------------------------------------------------------------------------------


def _event(name: str, limit: str, texts: tuple[str, str, str]) -> SystemAlert:
    return SystemAlert(
        name, limit, Severity.INFO, Action.LOG, "", *texts,
        identity=("account", "symbol"), category=Category.POSITION, layer=Layer.POSITION,
        is_event=True,
    )  # fmt: skip


STOP_LOSS_TRIGGERED: Final = _event(
    "STOP_LOSS_TRIGGERED", "stop_loss",
    (
        "The stop-loss of {subject} was hit",
        "The position was closed at its stop, as planned.",
        "Nothing to do.",
    ),
)  # fmt: skip
TAKE_PROFIT_TRIGGERED: Final = _event(
    "TAKE_PROFIT_TRIGGERED", "take_profit",
    (
        "The take-profit of {subject} was hit",
        "The position was closed at its target, as planned.",
        "Nothing to do.",
    ),
)  # fmt: skip
