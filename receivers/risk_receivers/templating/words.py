"""What a template is given: everything a message has to say, as text.

Every name is always there, empty where nothing is known. All but the description are one
line, so that no label can pass for a line of ours. There are no control characters in them,
nothing that turns the direction of writing, and nothing without end. They are not escaped;
that is for the template engine.
"""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import Final

from risk_policy import restricting
from risk_policy.catalogue import runbooks
from risk_policy.quantities import duration
from risk_policy.vocabulary import Action
from risk_receivers.channels.message import Kind, Message, Owed

#: A description fills a screen long before this; the audit record holds all of it.
LONGEST: Final = 4000
#: Names, numbers and links.
LONGEST_NAME: Final = 500
_KILL_KINDS: Final = (Kind.KILL_SWITCH, Kind.KILL_SWITCH_TIGHTENED)
#: Kinds whose heading says more than how bad it is.
_BADGES: Final = {
    Kind.RESOLVED.value: "RESOLVED",
    Kind.EXPIRED.value: "EXPIRED",
    Kind.TEST.value: "TEST",
    Kind.REPORT.value: "REPORT",
}
#: C0 and C1 but tab and newline, lone surrogates, non-characters, marks of direction.
_HARMFUL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_LINES: Final = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_URL: Final = re.compile(r"https?://[!-~]+")
_WITHOUT_MORE: Final = (Action.LOG, Action.NOTIFY, Action.REVIEW)


def words(owed: Owed, mark: str = "") -> dict[str, str]:
    """A message as a template sees it; ``mark`` is what all of this installation's begin with."""
    message = owed.message
    goes_on = message.kind.goes_on
    found = {
        "mark": mark,
        "kind": message.kind.value,
        "status": _status(message),
        "severity": message.severity.value,
        "title": message.title,
        "risk_id": message.risk_id,
        "incident": message.subject,
        "summary": _summary(message),
        "value": message.value,
        "threshold": message.threshold,
        "tier": message.tier,
        "category": message.category,
        "escalation": "" if message.escalation == "none" else message.escalation,
        "action": message.action,
        "did": _did(message),
        "advice": _advice(message),
        "runbook_url": _link(message.runbook_url),
        "ack_command": _ack_command(message.subject) if goes_on else "",
        "since": _moment(message.starts_at),
        "lasted": _lasted(message),
        "at": _moment(message.at),
        "audit_seq": str(message.audit_seq),
        "audit_head": owed.head,
        "message_id": owed.id,
        "again": owed.again,
    }
    found = {name: clean(one_line(value), LONGEST_NAME) for name, value in found.items()}
    found["description"] = clean(_description(message), LONGEST)
    found["headline"] = clean(one_line(_headline(found)), LONGEST_NAME)
    return found


def clean(text: str, longest: int) -> str:
    """A text that no markup, terminal or mail program stumbles over."""
    cut = text[: longest + 1]
    cut = _HARMFUL.sub("\N{REPLACEMENT CHARACTER}", _LINES.sub("\n", cut))
    return cut if len(text) <= longest else cut[: longest - 1] + "…"


def marked(text: str, mark: str, between: str = " ") -> str:
    """A text that says which installation it is of, at its beginning unless it says so already."""
    shown = f"[{mark}]"
    return text if not mark or shown in text else f"{shown}{between}{text}"


def one_line(text: str) -> str:
    """A text without line breaks or anything else that could end a header."""
    return " ".join(clean(text, LONGEST).split())


def _status(message: Message) -> str:
    match message.kind:
        case Kind.FIRING:
            return "firing"
        case Kind.ESCALATED:
            return f"now counts as {message.severity.value}"
        case Kind.EXPIRED:
            return "no longer repeated; nobody said that it is over"
        case Kind.CONTINUED:
            return "firing still; it had expired"
        case Kind.ACK_LOST:
            return "firing still, and acknowledged by nobody any more"
        case Kind.TEST:
            return "a test; nothing has happened"
        case Kind.KILL_UNCONFIRMED:
            return "not tripped: only Alertmanager asks for it"
        case Kind.RESTRICTION:
            return "news of what the gate holds back"
        case Kind.STORM:
            return "alert storm: what begins and ends is told in digests"
        case Kind.DIGEST:
            return "digest of what was held back"
        case Kind.REPORT:
            return "a report was written"
        case _:
            return message.kind.value.replace("_", " ")


def _summary(message: Message) -> str:
    summary = message.summary or f"{message.title} {message.risk_id}".strip()
    return f"Over: {summary}" if message.kind is Kind.RESOLVED else summary


def _description(message: Message) -> str:
    """What the alert says; of one that is over, what it said last."""
    # Where there is no summary beside it, it begins with that.
    if message.kind is Kind.DIGEST:
        return message.text.removeprefix(f"{message.summary}:\n")
    if message.kind is Kind.REPORT:
        return message.text.removeprefix(f"{message.summary}\n")
    last = message.kind is Kind.RESOLVED and message.text
    return f"Before it ended: {message.text}" if last else message.text


def _headline(found: dict[str, str]) -> str:
    """The same for all that is said about an incident, but for what stands in brackets."""
    badge = _BADGES.get(found["kind"], found["severity"].upper())
    return marked(f"[{badge}] {found['title']} {found['risk_id']}", found["mark"])


def _did(message: Message) -> str:
    """What the system did: never more than it has done."""
    action = Action(message.action) if message.action in set(Action) else None
    if message.kind in _KILL_KINDS:
        return "Closed the gate: orders that add risk are refused until somebody clears it."
    if message.kind is Kind.RESTRICTION and message.about.startswith("latched:"):
        return "Goes on refusing orders that add risk, and put it on record."
    if message.kind in (Kind.KILL_SWITCH_CHANGED, Kind.RESTRICTION):
        return "Did what was asked, and put it on record."
    if message.kind is Kind.TEST:
        return "Sent this message, and nothing else."
    if message.kind is Kind.EXPIRED:
        return "Put on record that it expired, and told people. Nothing was lifted or re-opened."
    if message.kind is Kind.KILL_UNCONFIRMED:
        return "Put it on record and told people; the kill switch was not tripped by it."
    if message.kind is Kind.REPORT:
        return "Wrote the report and put that on record."
    if message.kind is Kind.DIGEST:
        return "Put each on record as it came, and acted on it then; only the messages waited."
    if message.kind is Kind.RESOLVED:
        held = " A kill switch that it tripped stays tripped until somebody clears it."
        return "Put the end on record." + (held if action and action.trips_kill_switch else "")
    if action is None or not message.kind.goes_on:
        return "Put it on record and told people."
    if action.trips_kill_switch:
        return "Tripped the kill switch: orders that add risk are refused."
    if refused := restricting.refused(action):
        about = one_line(message.risk_id) or "it"
        return (
            f"Put it on record and told people. Where {about} is meant, the gate refuses {refused}."
        )
    if action in _WITHOUT_MORE:
        return "Put it on record and told people; orders and positions are left alone."
    return (
        "Put it on record and told people; orders and positions are left alone. "
        f"Asked for, and up to people: {runbooks.ACTION_WORDS[action]}."
    )


def _advice(message: Message) -> str:
    if message.kind in _KILL_KINDS:
        return "Check that the account is flat: riskwarden status"
    if message.kind is Kind.KILL_SWITCH_CHANGED:
        return "If nobody of you did this, trip it by hand: riskwarden kill"
    if message.kind is Kind.RESTRICTION:
        return "See what is held back: riskwarden restrictions"
    if message.kind is Kind.EXPIRED:
        return "Do not take it for over: see whether Prometheus and the exporter are alive."
    if message.kind is Kind.KILL_UNCONFIRMED:
        return "If it is true, trip it by hand: riskwarden kill. If not, find who made it up."
    if message.kind is Kind.DIGEST:
        return "See what is open now: riskwarden status"
    has_advice = message.kind.goes_on or message.kind is Kind.STORM
    return runbooks.advice(message.title) if has_advice else ""


def _ack_command(incident: str) -> str:
    command = f"riskwarden ack {shlex.quote(one_line(incident))} --for 2h --comment 'why'"
    return command if len(command) <= LONGEST_NAME else ""  # half a command is worse than none


def _link(url: str) -> str:
    """A link that a mail program may offer to click."""
    return url if _URL.fullmatch(url) else ""


def _moment(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else ""


def _lasted(message: Message) -> str:
    if message.starts_at is None:
        return ""
    seconds = int((message.at - message.starts_at).total_seconds())
    return duration(seconds) if seconds > 0 else ""
