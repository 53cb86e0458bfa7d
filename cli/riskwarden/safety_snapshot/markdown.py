"""A snapshot for people to read, the verdict first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import PurePath

from risk_policy.contracts.safety_snapshot import Bearing, DrillRun, SafetySnapshot
from risk_policy.contracts.safety_snapshot_parts import AccountGates, Setting, SourceState
from risk_policy.visible import visible
from riskwarden.safety_snapshot.sources import DATABASE_SERVER

_UNKNOWN = "unknown"
_BEARINGS = {
    Bearing.OPEN: "open",
    Bearing.UNKNOWN: "unknown",
    Bearing.TROUBLE: "put right",
    Bearing.HOLDS: "holds",
}
#: How keys end, and what their values are in.
_UNITS = {
    "_pct": " %",
    "_bps": " bps",
    "_milliseconds": " ms",
    "_seconds": " s",
    "_minutes": " min",
}


def markdown(one: SafetySnapshot) -> str:
    """The whole document."""
    sections = (
        _head(one),
        _reasons(one),
        _gating(one),
        _gate(one),
        _orders(one),
        _thresholds(one),
        _safeguards(one),
        _drills(one),
        _versions(one),
        _sources(one),
        _foot(one),
    )
    return "\n".join(line for section in sections for line in (*section, "")).rstrip() + "\n"


def _head(one: SafetySnapshot) -> Iterator[str]:
    safety = one.safety
    started = f" (stack started as {one.stack_environment})" if one.stack_environment else ""
    yield "# Safety snapshot"
    yield ""
    yield f"**Live orders: {safety.live_orders}. New risk: {safety.adds_risk}.**"
    yield ""
    yield safety.statement
    yield ""
    yield from _table(
        ("", ""),
        [
            ("Taken (UTC)", _instant(one.taken_at)),
            ("Environment", one.environment_id),
            ("Data folder", one.data + started),
            ("Policy", f"{one.limits.source}, sha256 {one.limits.digest or _UNKNOWN}"),
        ],
    )


def _reasons(one: SafetySnapshot) -> Iterator[str]:
    yield "## Why"
    yield ""
    order = list(_BEARINGS)
    reasons = sorted(one.safety.reasons, key=lambda reason: order.index(reason.bearing))
    rows = [(_BEARINGS[reason.bearing], reason.about, reason.text) for reason in reasons]
    yield from _table(("", "about", "what"), rows)


def _gating(one: SafetySnapshot) -> Iterator[str]:
    yield "## Gates of the runtimes"
    yield ""
    if not one.gating:
        yield "No runtime tells of its gates."
        return
    columns = [_gates(account) for account in one.gating]
    titles = ("", *(account.account for account in one.gating))
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    yield from _table(titles, rows)


def _gates(one: AccountGates) -> dict[str, str]:
    told = one.told
    flags = told.flags if told else {}
    token = _flag(flags.get("confirm_token_present"))
    return {
        "mode": told.mode.value if told else _UNKNOWN,
        "effective mode": one.effective_mode,
        "enable_live_trading (gate 1)": _flag(flags.get("enable_live_trading")),
        "live_mode_armed (gate 2)": _flag(flags.get("live_mode_armed")),
        "live_dry_run": _flag(flags.get("live_dry_run")),
        "confirmation token required": _flag(flags.get("require_confirm_token")),
        "confirmation token present": f"{token} (its value is told to nobody)",
        "live orders": one.live_orders.value,
        "told (UTC)": _told(one),
        "equity": _UNKNOWN if one.equity is None else f"{one.equity:,.2f} {one.currency}",
        "read from": ", ".join(one.whence),
    }


def _told(one: AccountGates) -> str:
    if one.told_at is None:
        return "never"
    age = f"{_instant(one.told_at)}, {_age(one.age_seconds)} ago"
    return age if one.is_current else f"{age}: too long ago to count"


def _gate(one: SafetySnapshot) -> Iterator[str]:
    gate = one.gate
    yield "## Trade gate, kill switch, restrictions"
    yield ""
    why = f": {gate.reason}" if gate.reason else ""
    yield from _table(
        ("", ""),
        [
            ("gate", f"{gate.state}{why}"),
            ("orders that add risk", gate.adds_risk),
            ("lease", _lease(gate.lease_seconds, gate.longest_lease_seconds)),
            ("version", str(gate.version)),
            ("last changed (UTC)", _instant(gate.published_at)),
            ("order KILL beside it", _flag(gate.kill_order)),
        ],
    )
    yield ""
    if one.kill_switches is None:
        yield "Whether the kill switch is tripped is unknown."
    else:
        rows = [
            (
                "everything" if kill.scope == "*" else kill.scope,
                kill.state,
                kill.mode or "",
                f"{kill.cause} ({kill.level})" if kill.cause else "",
                _instant(kill.since) if kill.since else "",
                _flag(kill.on_record) if kill.kill_id else "",
                _flag(kill.at_gate) if kill.kill_id else "",
            )
            for kill in one.kill_switches
        ]
        titles = ("kill switch over", "state", "mode", "cause", "since", "on record", "at the gate")
        yield from _table(titles, rows)
    yield ""
    if one.restrictions is None:
        yield "What alerts hold is unknown."
    elif not one.restrictions:
        yield "No alert holds anything."
    else:
        alerts = [
            (
                held.id,
                held.kind + ("" if held.size_ratio is None else f" to {held.size_ratio:.0%}"),
                "everything" if held.scope == "*" else held.scope,
                f"{held.cause} ({held.level})",
                _instant(held.since),
                held.until,
            )
            for held in one.restrictions
        ]
        yield from _table(("restriction", "what", "for", "cause", "since", "until"), alerts)


def _orders(one: SafetySnapshot) -> Iterator[str]:
    limits = one.limits
    yield "## Risk limits"
    yield ""
    if not limits.are_known:
        yield "The policy could not be read: no limit is known."
        return
    in_force = {True: "yes", False: "**no**", None: _UNKNOWN}[limits.in_force]
    yield f"Limits enabled: {_flag(limits.enabled)}. In force in the parts that run: {in_force}."
    yield ""
    rows = []
    for order in limits.orders:
        amounts = "; ".join(f"{name}: {amount:,.2f}" for name, amount in order.amounts.items())
        share = (
            "not configured:" if order.ratio_of_equity is None else f"{order.ratio_of_equity:.4g}"
        )
        where = _where(order.key, order.line, limits.source) if order.key else ""
        rows.append((order.name, f"{share} {order.note}", amounts, where))
    yield from _table(("orders", "limit", "at the equity last told", "stands in"), rows)


def _thresholds(one: SafetySnapshot) -> Iterator[str]:
    rows = [
        (tier.limit, tier.tier, tier.alert, tier.action, _value(setting), _place(setting, one))
        for setting in one.limits.settings
        for tier in setting.alerts
    ]
    if rows:
        yield "### Thresholds"
        yield ""
        yield from _table(("limit", "tier", "alert", "what follows", "value", "stands in"), rows)


def _safeguards(one: SafetySnapshot) -> Iterator[str]:
    rest = [setting for setting in one.limits.settings if not setting.alerts]
    if rest:
        yield "### Other limits and safeguards"
        yield ""
        rows = [(_value(setting), _place(setting, one)) for setting in rest]
        yield from _table(("value", "stands in"), rows)


def _drills(one: SafetySnapshot) -> Iterator[str]:
    passed = sum(drill.result == "PASS" for drill in one.drills)
    never = sum(drill.result is None for drill in one.drills)
    yield "## Drills"
    yield ""
    yield (
        f"{len(one.drills)} scenarios. Passed the last time: {passed}, failed: "
        f"{len(one.drills) - passed - never}, never run as far as is known: {never}."
    )
    yield ""
    rows = [(drill.scenario, drill.title, *_last(drill)) for drill in one.drills]
    yield from _table(("scenario", "rehearses", "last run (UTC)", "result", "shown by"), rows)


def _last(drill: DrillRun) -> tuple[str, str, str]:
    if drill.result is None:
        return "never", "", ""
    shown = f"{drill.evidence}: {drill.record}" if drill.record else str(drill.evidence)
    when = f"{_instant(drill.ended_at)}, {drill.drill_id}, {drill.environment}"
    return when, drill.result, shown


def _versions(one: SafetySnapshot) -> Iterator[str]:
    chain, digests, versions = one.chain, one.digests, one.versions
    yield "## Versions, digests, audit chain"
    yield ""
    yield from _table(
        ("", ""),
        [
            ("riskwarden", versions.riskwarden),
            ("python", versions.python),
            ("prometheus", versions.prometheus or "not running, or not known"),
            ("alertmanager", versions.alertmanager or "not running, or not known"),
            ("policy", _sha(digests.policy)),
            (f"rules ({len(digests.rule_files)} files)", _sha(digests.rules)),
            ("prometheus.yml", _sha(digests.prometheus_config)),
            ("alertmanager.yml", _sha(digests.alertmanager_config)),
            ("gate.json", _sha(digests.gate)),
            ("head of the chain", chain.head or _UNKNOWN),
            ("newest signed tree head", chain.signed_head or _UNKNOWN),
            ("reaches the noted head", _flag(chain.is_whole)),
            ("last event (UTC)", _instant(chain.last_recorded_at)),
        ],
    )


def _sources(one: SafetySnapshot) -> Iterator[str]:
    yield "## What was read"
    yield ""
    rows = []
    for source in one.sources:
        said = source.state.value
        if source.state is SourceState.READ and source.as_of is not None:
            said = f"read; of {_instant(source.as_of)}, {_age(source.age_seconds)} old"
        rows.append((source.name, source.where, said, source.note))
    yield from _table(("what", "where", "", ""), rows)


def _foot(one: SafetySnapshot) -> Iterator[str]:
    kernel = "; the kernel forbade it" if one.kernel_forbade_writing else ""
    asked = {source.where for source in one.sources if source.state is not SourceState.NOT_ASKED}
    server = (
        f" and {DATABASE_SERVER} within a transaction that can only read"
        if DATABASE_SERVER in asked
        else ""
    )
    yield "---"
    yield ""
    yield (
        f"Taken without writing anything{kernel}, and without asking anybody but by GET on this "
        f"machine{server}. It holds no secret: of a token only whether it is there. The audit "
        "chain was read and not verified: `riskwarden audit verify` does that."
    )


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = [_cell(title) for title in titles]
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(text: str) -> str:
    """What others have written must not become a cell, a line, or markup of its own."""
    plain = " ".join(visible(text).split())
    for mark in "\\|`<[":
        plain = plain.replace(mark, f"\\{mark}")
    return plain


def _value(setting: Setting) -> str:
    value = setting.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, str):
        return value
    unit = next((words for end, words in _UNITS.items() if setting.key.endswith(end)), "")
    return f"{value:.12g}{unit}"


def _place(setting: Setting, one: SafetySnapshot) -> str:
    return _where(setting.key, setting.line, one.limits.source)


def _where(key: str, line: int | None, source: str) -> str:
    file = PurePath(source).name
    short = key.removeprefix("alerting.")
    return f"{short} ({file}:{line})" if line else f"{short} (default)"


def _lease(seconds: float | None, longest: float | None) -> str:
    if seconds is None:
        return "none"
    if seconds < 0:
        return f"over for {_age(-seconds)}"
    return f"runs for {seconds:.1f} s more" + (f", at most {longest:g} s" if longest else "")


def _flag(value: bool | None) -> str:  # noqa: FBT001 - a cell of a table
    return _UNKNOWN if value is None else "yes" if value else "no"


def _sha(digest: str | None) -> str:
    return digest or "there is none"


def _instant(at: datetime | None) -> str:
    return _UNKNOWN if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _age(seconds: float | None) -> str:
    if seconds is None:
        return _UNKNOWN
    for unit, size in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
