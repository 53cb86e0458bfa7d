"""Runbooks: what an alert watches, what it means, what the system does and what to do now.

Rendered from the catalogue and the policy in force, so a runbook never names a threshold
that no rule has. It promises nothing that the system does not do: of all actions only those
that trip the kill switch are carried out by the machine, the others are asked of people.
"""

from __future__ import annotations

from typing import Final

from risk_policy import restricting
from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit, Side
from risk_policy.catalogue.system import (
    DATA_STALE,
    RUNTIME_SILENT,
    SYSTEM_ALERTS,
    WATCHDOG,
    SystemAlert,
)
from risk_policy.errors import PolicyError
from risk_policy.model import Policy
from risk_policy.quantities import shown
from risk_policy.vocabulary import Action, Category, KillMode, Layer, Severity, Tier

_SEVERITY_WORDS: Final = {
    Severity.DEBUG: "for the record only",
    Severity.INFO: "worth knowing, nothing to do",
    Severity.WARNING: "look at it today, before it becomes worse",
    Severity.CRITICAL: "act now",
    Severity.EMERGENCY: "drop everything else",
}
_TIER_WORDS: Final = {
    Tier.WARNING: "the mildest threshold of its limit",
    Tier.CRITICAL: "the threshold that must not be crossed",
    Tier.EMERGENCY: "the last threshold, meant never to be reached",
}
_LAYER_WORDS: Final = {
    Layer.PRE_TRADE: "checks that also stand before an order",
    Layer.POSITION: "watches single positions",
    Layer.PORTFOLIO: "watches the account as a whole",
    Layer.KILL_SWITCH: "the kill switch itself",
    Layer.CIRCUIT_BREAKER: "stops trading for a while",
    Layer.SYSTEM: "watches the risk layer itself",
}
#: What an action asks for.
ACTION_WORDS: Final = {
    Action.LOG: "nothing but a record",
    Action.NOTIFY: "tell people",
    Action.REVIEW: "somebody reviews it",
    Action.BLOCK_TRADE: "no order that makes it worse",
    Action.FORCE_CLOSE_REVIEW: "decide whether to close the position",
    Action.REDUCE_SIZE: "trade smaller",
    Action.REDUCE_EXPOSURE: "bring exposure down",
    Action.EMERGENCY_REDUCE: "bring exposure down at once",
    Action.PAUSE_NEW_ENTRIES: "open no new positions for now",
    Action.HALT_NEW_TRADES: "open nothing new",
    Action.KILL_SWITCH: "trip the kill switch",
    Action.CLOSE_ALL: "trip the kill switch and close everything",
}
_SIDE_WORDS: Final = {Side.ABOVE: "above", Side.BELOW: "below"}


class UnknownAlertError(PolicyError, KeyError):
    """There is no such alert."""

    def __init__(self, alertname: str) -> None:
        self.alertname = alertname
        super().__init__(f"there is no alert {alertname!r}; known are: {', '.join(names())}")

    def __str__(self) -> str:
        return str(self.args[0])


def names() -> tuple[str, ...]:
    """Every alert that has a runbook, in the order of the catalogue."""
    of_limits = tuple(spec.name for limit in LIMITS for spec in limit.alerts)
    return of_limits + tuple(alert.name for alert in SYSTEM_ALERTS)


def render(policy: Policy, alertname: str) -> str:
    """The runbook of an alert, in Markdown. Raises UnknownAlertError."""
    for limit in LIMITS:
        for spec in limit.alerts:
            if spec.name == alertname:
                return _of_limit(policy, limit, spec)
    for alert in SYSTEM_ALERTS:
        if alert.name == alertname:
            return _of_system(policy, alert)
    raise UnknownAlertError(alertname)


def advice(alertname: str) -> str:
    """What to do now about an alert; empty if there is none of that name."""
    of_limits = {spec.name: spec.advice for limit in LIMITS for spec in limit.alerts}
    return ({alert.name: alert.advice for alert in SYSTEM_ALERTS} | of_limits).get(alertname, "")


def _of_limit(policy: Policy, limit: Limit, spec: AlertSpec) -> str:
    fires = (
        f"Fires when the value is {_beyond(limit)} **{_threshold(policy, limit, spec)}** "
        f"(`{spec.threshold}`), {_lasting(_confirmation(policy, spec.tier))} "
        f"Clears at **{_clear(policy, limit, spec)}**, so that hovering is one breach."
    )
    what = f"{limit.metric.help} Watched per {_listed(limit.identity)}, as `{limit.metric.name}`."
    ladder = [
        f"| {other.tier} | {_beyond(limit)} {_threshold(policy, limit, other)} "
        f"| {_link(policy, other.name)} | {ACTION_WORDS[other.action]} |"
        for other in limit.alerts
    ]
    facts = [
        ("limit", f"`{limit.name}`"),
        ("tier", f"{spec.tier}: {_TIER_WORDS[spec.tier]}"),
        *_facts(spec.severity, limit.category, limit.layer, spec.action),
    ]
    thresholds = [
        "## All thresholds of this limit",
        "\n".join(("| tier | fires | alert | asks for |", "|---|---|---|---|", *ladder)),
    ]
    return _page(
        policy, spec.name, spec.summary, facts, [what, fires], thresholds, spec.meaning,
        _response(policy, spec.name, spec.severity, spec.action, spec.tier.value), spec.advice,
    )  # fmt: skip


def _of_system(policy: Policy, alert: SystemAlert) -> str:
    tier = [("tier", f"{alert.severity}")] if alert.severity.value in set(Tier) else []
    facts = [
        ("limit", f"`{alert.limit}`"),
        *tier,
        *_facts(alert.severity, alert.category, alert.layer, alert.action_under(policy)),
    ]
    if alert is WATCHDOG:
        response = "Notes when it last arrived, on each feed. No incident is opened for it."
    else:
        response = _response(policy, alert.name, alert.severity, alert.action_under(policy), "")
    return _page(
        policy, alert.name, alert.summary, facts, [_condition(policy, alert)], [],
        alert.meaning, response, alert.advice,
        _retired(policy) if alert is DATA_STALE else (),
    )  # fmt: skip


def _retired(policy: Policy) -> tuple[str, str, str]:
    """An exporter shows what it remembers for ever: dropping an account takes a person."""
    hold = policy.alerting.latch.hold_missing_minutes
    folder = (
        "Move the folder named after the account out of the exporter's state folder (the `--data` "
        "of `python -m risk_exporter`). Keep it: its equity peak and its closes are in it, and "
        "moving it back brings the account back."
    )
    steps = (
        "Make sure that it holds nothing and that no runtime sends snapshots of it any more.",
        "Acknowledge this alert, so that it does not escalate meanwhile.",
        "Stop the exporter, or the runtime that embeds it.",
        folder,
        "Start the exporter again.",
    )
    end = (
        "Its series end with the next scrape, and this alert soon after. Breaches of its limits "
        f"are held for **{hold:g} min** (`alerting.latch.hold_missing_minutes`), as if it were "
        "only not reported, then they end; a cooldown runs to its own end, and a tripped kill "
        "switch stays tripped. Its past stays in Prometheus and in the audit chain."
    )
    why = "It is remembered across restarts and grows older, so this does not end by itself."
    numbered = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    return ("## If the account was retired", f"{why}\n\n{numbered}", end)


def _condition(policy: Policy, alert: SystemAlert) -> str:
    if alert is WATCHDOG:
        return "Fires always, on purpose."
    summary = alert.summary.replace("{subject}", "…")
    if alert.duration:
        wait = policy.number(alert.duration)
        return f"{summary}. Fires {_lasting(wait)[:-1]} (`{alert.duration}`)."
    if alert is DATA_STALE:
        stale = policy.alerting.system.snapshot_stale_seconds
        return (
            f"Fires when the latest snapshot is older than **{stale:g} s** "
            "(`alerting.system.snapshot_stale_seconds`)."
        )
    if alert.name == RUNTIME_SILENT.name:
        silence = policy.alerting.dead_man.runtime_seconds
        return (
            f"Fires when no fresh snapshot has been seen for **{silence:g} s** "
            "(`alerting.dead_man.runtime_seconds`), by a Prometheus that looked. What follows is "
            f"`alerting.dead_man.runtime_action`. An account of which no fresh snapshot has been "
            "seen since everything was started has not fallen silent."
        )
    return f"{summary}. Fires at the first evaluation that sees it."


def _page(
    policy: Policy,
    name: str,
    summary: str,
    facts: list[tuple[str, str]],
    watched: list[str],
    thresholds: list[str],
    meaning: str,
    response: str,
    advice: str,
    more: tuple[str, ...] = (),
) -> str:
    table = "\n".join(("| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts)))
    blocks = [
        f"# {name}",
        f"{summary.replace('{subject}', '…')}.",
        table,
        "## What it watches",
        *watched,
        *thresholds,
        "## What it means",
        meaning,
        "## What the system does",
        response,
        "## What to do",
        advice,
        *more,
        f"_From the policy with sha256 `{policy.digest}`._",
    ]
    return "\n\n".join(blocks) + "\n"


def _facts(
    severity: Severity, category: Category, layer: Layer, action: Action
) -> list[tuple[str, str]]:
    return [
        ("severity", f"{severity}: {_SEVERITY_WORDS[severity]}"),
        ("category", category.value.replace("_", " ")),
        ("layer", f"{layer.value.replace('_', ' ')}: {_LAYER_WORDS[layer]}"),
        ("action", f"{action.value.replace('_', ' ')}: {ACTION_WORDS[action]}"),
    ]


def _response(policy: Policy, name: str, severity: Severity, action: Action, tier: str) -> str:
    wait = policy.alerting.routing.of(severity).group_wait_seconds
    soon = f"after {wait:g} s" if wait else "at once"
    lines = [
        "Puts the alert on record in the audit chain before it answers, and opens an incident.",
        f"Tells people {soon}, through every channel that takes {severity} alerts.",
        "Lets silences quiet people only: they reach neither the record nor the gate.",
    ]
    if action.trips_kill_switch:
        lines += _kill_lines(policy)
    elif held := restricting.told(policy, name, action, tier):
        lines += [*held, "Closes nothing by itself."]
    else:
        lines.append("Leaves orders and positions alone: what the action asks for is up to people.")
    return "\n".join(f"- {line}" for line in lines)


def _kill_lines(policy: Policy) -> tuple[str, str, str]:
    kill = policy.alerting.kill_switch
    timeout = f"{kill.graceful_timeout_minutes:g} min"
    closing = {
        KillMode.PAUSE: "open positions are managed on",
        KillMode.GRACEFUL: f"positions close at their targets, the rest after {timeout}",
        KillMode.IMMEDIATE: "working orders are cancelled and positions closed at once",
    }[kill.mode]
    return (
        f"Trips the kill switch in mode `{kill.mode}`: the gate refuses new risk, {closing}.",
        "Keeps it tripped until an authorised person clears it, which waits for this to end.",
        "Calls flat unknown until the runtime has confirmed it.",
    )


def _threshold(policy: Policy, limit: Limit, spec: AlertSpec) -> str:
    return shown(limit.unit.kind, limit.bound(policy.number(spec.threshold)))


def _clear(policy: Policy, limit: Limit, spec: AlertSpec) -> str:
    margin = policy.alerting.latch.clear_margin_pct / 100
    level = limit.clear_level(limit.bound(policy.number(spec.threshold)), margin)
    return shown(limit.unit.kind, level)


def _beyond(limit: Limit) -> str:
    return ("at or " if limit.inclusive else "") + _SIDE_WORDS[limit.side]


def _confirmation(policy: Policy, tier: Tier) -> float:
    return policy.number(f"alerting.confirmation.{tier.value}_seconds")


def _lasting(seconds: float) -> str:
    return f"after {seconds:g} s without a break." if seconds else "at the first evaluation."


def _listed(words: tuple[str, ...]) -> str:
    return " and ".join(words)


def _link(policy: Policy, alertname: str) -> str:
    return f"[{alertname}]({policy.alerting.runbooks.base_url}{alertname})"
