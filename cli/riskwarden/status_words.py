"""The status of a running service in words, for somebody woken at night.

First what matters then: is the kill switch tripped and is the account flat, does the gate let
orders through, can the record be trusted. Pure; takes what ``GET /api/v1/system/status`` answers,
and what is not told there, because the store cannot be read, is called unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from risk_policy.vocabulary import KillMode, Severity

_ALL: Final = "*"
_ARMED: Final = "armed, not tripped"
_ARMED_ELSEWHERE: Final = "armed, tripped for less than everything"
_UNKNOWN: Final = "unknown: the store cannot be read"
_MEANS: Final = {
    KillMode.PAUSE: "no new entries, positions stay",
    KillMode.GRACEFUL: "positions are closed at their targets",
    KillMode.IMMEDIATE: "everything is closed at once",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        is_well: whether nobody has to do anything about it.
    """

    name: str
    text: str
    is_well: bool = True


@dataclass(frozen=True, slots=True)
class OpenAlert:
    """An incident that somebody has to deal with.

    Attributes:
        text: begins with its name as `riskwarden ack` takes it.
        taken_by: who has acknowledged it, until when and why; empty if nobody has.
    """

    text: str
    taken_by: str


def open_alerts(alerts: Iterable[Mapping[str, Any]]) -> list[OpenAlert]:
    """Those that are a warning or worse, the worst first and then the oldest."""
    found = [one for one in alerts if _is_urgent(one["severity"])]
    found.sort(key=lambda one: (-Severity(one["severity"]).rank, one["created_at"]))
    return [_open_alert(one, _taken(one)) for one in found]


def urgent(counts: Mapping[str, Any]) -> int:
    """How many of those there are, listed or not, as ``GET /api/v1/alerts/open`` counts them."""
    by_severity = (*counts["waiting"].items(), *counts["acknowledged"].items())
    return sum(number for severity, number in by_severity if _is_urgent(severity))


def _is_urgent(severity: str) -> bool:
    return Severity(severity).rank >= Severity.WARNING.rank


def _open_alert(one: Mapping[str, Any], taken_by: str) -> OpenAlert:
    named = one["alertname"], one["severity"], f"since {_at(one['starts_at'])}"
    return OpenAlert(
        f"{one['id']}  {', '.join(named)}; {taken_by or 'nobody has taken it on'}", taken_by
    )


def _taken(alert: Mapping[str, Any]) -> str:
    taken = alert["acknowledged"]
    if not taken:
        return ""
    return f"{taken['author']} has it until {_at(taken['until'])}: {taken['comment']}"


def headlines(status: Mapping[str, Any]) -> tuple[Line, ...]:
    """Kill switch, gate and audit chain."""
    return (*kills_and_gate(status), _chain(status["audit"]))


def kills_and_gate(status: Mapping[str, Any]) -> tuple[Line, ...]:
    """The kill switch, over everything and then of each narrower scope, and the gate."""
    kill, gate = status["kill_switch"], status["gate"]
    narrower = [one for one in kills_in_force(kill) if one.get("scope", _ALL) != _ALL]
    return (
        _kill_switch(kill, armed=_ARMED_ELSEWHERE if narrower else _ARMED),
        *(_kill_switch(one, f"{one['scope']}, id {one['kill_id']}: ") for one in narrower),
        _gate(gate, is_killed=bool(narrower), is_held=bool(status.get("restrictions"))),
    )


def kills_in_force(kill: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every kill in force, the widest first."""
    if "kills" in kill:
        return list(kill["kills"])
    return [kill] if kill["kill_id"] else []  # a service of an earlier version


def details(status: Mapping[str, Any]) -> Iterator[Line]:
    """The rest."""
    problems = "; ".join(status.get("problems", ()))
    yield Line("service", "ready" if status["ready"] else f"NOT READY: {problems}", status["ready"])
    yield Line("open incidents", _by_severity(status["incidents_open"]))
    if any((expired := status.get("incidents_expired") or {}).values()):
        yield Line(
            "expired",
            f"{_by_severity(expired)}: no longer repeated, and nobody said that they are over",
            is_well=False,
        )
    for name, key in (
        ("messages waiting", "messages_pending"),
        ("messages given up", "messages_dead"),
    ):
        counts = status[key]
        yield Line(
            name,
            _counted(counts or {}, unknown=counts is None),
            key == "messages_pending" or not counts,
        )
    kill, gate, audit = status["kill_switch"], status["gate"], status["audit"]
    if kill["kill_id"]:
        yield Line("kill id", kill["kill_id"])
        yield Line("reasons to trip", str(kill["triggers"]))
        yield Line("gate closed at", _at(kill["gate_closed_at"]))
    held = status.get("restrictions", ())
    if held is None:
        yield Line("restrictions", _UNKNOWN, is_well=False)
    for one in held or ():
        share = "" if one["size_ratio"] is None else f" to {one['size_ratio']:.0%}"
        text = f"{one['kind']}{share} for {one['scope']}: {one['cause']} ({one['level']}), "
        yield Line(f"restriction {one['id']}", text + restricted(one), is_well=False)
    yield Line("gate version", str(gate["version"]))
    yield Line("head of the chain", f"{audit['size']}:{audit['checksum']}")
    yield Line("policy digest", status["policy_digest"])


def restricted(one: Mapping[str, Any]) -> str:
    """How a restriction ends."""
    match one["standing"]:
        case "FIRING" if one["needs_resume"]:
            return "when its alert is over and somebody resumes"
        case "FIRING":
            return "when its alert is over"
        case "LATCHED":
            return f"when somebody resumes: riskwarden resume {one['id']}"
        case _:
            return (
                "nobody says whether its alert is over: by itself, once Prometheus has been heard "
                f"without it for long enough, or riskwarden resume {one['id']}"
            )


def _kill_switch(kill: Mapping[str, Any], about: str = "", armed: str = _ARMED) -> Line:
    name = "kill" if about else "kill switch"
    if kill["state"] == "ARMED":
        return Line(name, armed)
    if kill["state"] == "DISARMED":
        return Line(name, "DISARMED: nothing trips it but people: riskwarden arm", is_well=False)
    mode = KillMode(kill["mode"])
    means = _MEANS[mode].replace("everything", "all of it") if about else _MEANS[mode]
    told = f"{about}TRIPPED in mode {mode.value} ({means}) since {_at(kill['since'])}: "
    parts = [f"{told}{kill['cause']} ({kill['level']})", _closing(kill, mode)]
    if not kill["on_record"]:
        parts.append("NOT ON RECORD: the store did not take it")
    return Line(name, "; ".join(filter(None, parts)), is_well=False)


def _closing(kill: Mapping[str, Any], mode: KillMode) -> str:
    waiting = ", ".join(kill["waiting_for_accounts"])
    if kill["state"] == "FLAT_CONFIRMED":
        return f"flat, confirmed at {_at(kill['flat_confirmed_at'])}"
    if mode is KillMode.PAUSE:  # what was reported is that orders were cancelled
        return ""
    if kill["state"] == "CLOSING":
        return f"closing, NOT FLAT YET: {waiting or 'the accounts'} still to confirm"
    return "NOT FLAT YET: no account has reported a close"


def _gate(gate: Mapping[str, Any], *, is_killed: bool, is_held: bool) -> Line:
    name = "gate"
    withheld = "; ".join(gate["lease_withheld"])
    if gate["halted"]:
        return Line(
            name, "CLOSED by the kill switch: orders that add risk are refused", is_well=False
        )
    if gate["open"]:
        left = f"{gate['lease_remaining_seconds']:.1f} s"
        parts = ["what is killed"] * is_killed + ["what alerts hold"] * is_held
        if parts and not withheld:
            but = " and ".join(parts)
            return Line(name, f"open but for {but}, lease of {left} being renewed")
        if withheld:
            return Line(name, f"open for {left} more, then CLOSED: {withheld}", is_well=False)
        return Line(name, f"open, lease of {left} being renewed")
    why = withheld or "its lease has not been renewed"
    return Line(name, f"CLOSED: orders that add risk are refused, because {why}", is_well=False)


def _chain(audit: Mapping[str, Any]) -> Line:
    name, size = "audit chain", f"{audit['size']:,} event{'s' if audit['size'] != 1 else ''}"
    if "intact" not in audit:  # a service of an earlier version
        return Line(name, f"{size}; run riskwarden audit verify")
    if audit["intact"] and (problem := audit.get("signing_problem")):
        text = f"intact, {size}, but signed up to {audit['signed']:,} alone: {problem}"
        return Line(name, text, is_well=False)
    if audit["intact"]:
        return Line(name, f"intact as far as it has been read back, {size}")
    text = f"NOT INTACT: {audit['damage']} ({size}); keep a copy, then riskwarden audit verify"
    return Line(name, text, is_well=False)


def _by_severity(counts: Mapping[str, int] | None) -> str:
    """The worst one first."""
    ordered = {s.value: (counts or {}).get(s.value, 0) for s in reversed(Severity)}
    return _counted(ordered, unknown=counts is None)


def _counted(counts: Mapping[str, int], *, unknown: bool) -> str:
    if unknown:
        return _UNKNOWN
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"


def _at(text: str | None) -> str:
    if text is None:
        return "an unknown time"
    return datetime.fromisoformat(text).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
