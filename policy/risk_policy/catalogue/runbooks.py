"""Runbooks: what an alert watches, what it means, what the system does and what to do now.

Rendered from the catalogue and the policy in force, so a runbook never names a threshold
that no rule has. Who is told and what the system does comes from where ``rules explain`` has it;
what people do is written by hand, in :mod:`risk_policy.catalogue.advice`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from risk_policy import audience, response
from risk_policy.catalogue.advice import advice_on
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
from risk_policy.spoken import spoken
from risk_policy.unanswered import Step, timeline
from risk_policy.vocabulary import Action, Category, Layer, Severity, Tier

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


def render(
    policy: Policy,
    alertname: str,
    rules: Mapping[str, str] | None = None,
    link: Callable[[str], str] | None = None,
) -> str:
    """The runbook of an alert, in Markdown. Raises UnknownAlertError or AdviceError.

    Args:
        rules: title of each rule of the alert -> its PromQL, for whoever knows them.
        link: where an alert's runbook is; below the policy's address unless given.
    """
    page = _Page(policy, rules or {}, link or policy.alerting.runbooks.base_url.__add__)
    for limit in LIMITS:
        for spec in limit.alerts:
            if spec.name == alertname:
                return page.of_limit(limit, spec)
    for alert in SYSTEM_ALERTS:
        if alert.name == alertname:
            return page.of_system(alert)
    raise UnknownAlertError(alertname)


def advice(alertname: str) -> str:
    """What to do now about an alert; empty if there is none of that name."""
    of_limits = {spec.name: spec.advice for limit in LIMITS for spec in limit.alerts}
    return ({alert.name: alert.advice for alert in SYSTEM_ALERTS} | of_limits).get(alertname, "")


@dataclass(frozen=True, slots=True)
class _Page:
    """How a runbook is put together."""

    policy: Policy
    rules: Mapping[str, str]
    link: Callable[[str], str]

    def of_limit(self, limit: Limit, spec: AlertSpec) -> str:
        policy = self.policy
        wait = _confirmation(policy, spec.tier)
        fires = (
            f"Fires when the value is {_beyond(limit)} **{_threshold(policy, limit, spec)}** "
            f"(`{spec.threshold}`), {_lasting(wait)} "
            f"Clears at **{_clear(policy, limit, spec)}**, so that hovering is one breach."
        )
        what = (
            f"{limit.metric.help} Watched per {_listed(limit.identity)}, as `{limit.metric.name}`."
        )
        ladder = [
            f"| {other.tier} | {_beyond(limit)} {_threshold(policy, limit, other)} "
            f"| [{other.name}]({self.link(other.name)}) | {ACTION_WORDS[other.action]} |"
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
        steps = timeline(policy, spec.name, spec.severity, wait, escalates=True)
        return self._whole(
            spec, limit.name, facts, [what, fires, *thresholds],
            (*self._told(spec.name, spec.severity, limit.category, spec.action, steps),
             *_done(response.to_limit(policy, limit, spec))),
            _first_look(limit, spec, policy),
        )  # fmt: skip

    def of_system(self, alert: SystemAlert) -> str:
        policy = self.policy
        action = alert.action_under(policy)
        tier = [("tier", f"{alert.severity}")] if alert.severity.value in set(Tier) else []
        facts = [
            ("limit", f"`{alert.limit}`"),
            *tier,
            *_facts(alert.severity, alert.category, alert.layer, action),
        ]
        wait = policy.number(alert.duration) if alert.duration else 0.0
        steps = timeline(policy, alert.name, alert.severity, wait, escalates=alert.escalates)
        told = self._told(alert.name, alert.severity, alert.category, action, steps)
        if alert is WATCHDOG:
            told = ("## Who is told", *audience.lines((), ()))
        return self._whole(
            alert, alert.limit, facts, [_condition(policy, alert)],
            (*told, *_done(response.to_system(policy, alert))),
            _query("Where it fires", f'ALERTS{{alertname="{alert.name}"}}'),
            _retired(policy) if alert is DATA_STALE else (),
        )  # fmt: skip

    def _told(
        self, name: str, severity: Severity, category: Category, action: Action,
        steps: tuple[Step, ...],
    ) -> tuple[str, ...]:  # fmt: skip
        every = sorted({severity, *(Severity(step.severity) for step in steps)}, key=_rank)
        told = tuple(audience.told(self.policy, each, category, action, name) for each in every)
        waiting = tuple(audience.waits(self.policy, severity, category))
        if any(each.by != "receivers" for each in told):
            waiting = ()
        later = [
            f"After {spoken(step.after_seconds)}: {step.event}."
            if step.alert != name
            else f"After {spoken(step.after_seconds)} it counts as {step.severity}."
            for step in steps[1:]
        ]
        unanswered = ("## While nobody acknowledges it", _bullets(later)) if later else ()
        return ("## Who is told", _bullets(audience.lines(told, waiting)), *unanswered)

    def _whole(
        self,
        alert: AlertSpec | SystemAlert,
        limit: str,
        facts: list[tuple[str, str]],
        watched: list[str],
        system: tuple[str, ...],
        first_look: str,
        more: tuple[str, ...] = (),
    ) -> str:
        written = advice_on(limit)
        table = "\n".join(("| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in facts)))
        rules = [_query(title, expression) for title, expression in self.rules.items()]
        own = rules or [f"`riskwarden rules explain {alert.name}` prints the rules."]
        blocks = [
            f"# {alert.name}",
            f"{alert.summary.replace('{subject}', '…')}.",
            table,
            "## What it watches",
            *watched,
            "## What it means",
            alert.meaning,
            "## Impact",
            written.impact,
            *system,
            "## Diagnosis",
            first_look,
            written.diagnosis,
            "## What to do",
            f"**First:** {alert.advice}",
            written.steps,
            *more,
            "## When to escalate",
            written.escalate,
            "## PromQL",
            *own,
            f"_From the policy with sha256 `{self.policy.digest}`._",
        ]
        return "\n\n".join(blocks) + "\n"


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


def _done(sentences: tuple[str, ...]) -> tuple[str, str]:
    return "## What the system does", _bullets(sentences)


def _first_look(limit: Limit, spec: AlertSpec, policy: Policy) -> str:
    """What every threshold is asked first: how far beyond, and since when."""
    name = limit.metric.name
    value = f"abs({name})" if limit.absolute else name
    bound = limit.bound(policy.number(spec.threshold))
    since = f'time() - risk:breach_since_seconds{{limit="{limit.name}",tier="{spec.tier}"}}'
    return "\n\n".join(
        (
            _query("What is beyond the threshold now", f"{value} {limit.operator} {bound:g}"),
            _query("For how many seconds", since),
        )
    )


def _query(question: str, expression: str) -> str:
    return f"{question}:\n\n```promql\n{expression}\n```"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _rank(severity: Severity) -> int:
    return severity.rank


def _facts(
    severity: Severity, category: Category, layer: Layer, action: Action
) -> list[tuple[str, str]]:
    return [
        ("severity", f"{severity}: {_SEVERITY_WORDS[severity]}"),
        ("category", category.value.replace("_", " ")),
        ("layer", f"{layer.value.replace('_', ' ')}: {_LAYER_WORDS[layer]}"),
        ("action", f"{action.value.replace('_', ' ')}: {ACTION_WORDS[action]}"),
    ]


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
