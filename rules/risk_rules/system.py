"""Conditions about the risk layer itself. Each must hold because something is missing.

A dead part answers nothing, so no expression here relies on the sick part's own word: what
is gone from Prometheus altogether counts as down, and data that nobody sends as stale.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.metrics import Metric
from risk_policy.catalogue.metrics.foreign import (
    ALERTMANAGER_RELOADED,
    ALERTS,
    PROMETHEUS_RELOADED,
    RULE_FAILURES,
    RULE_MISSED,
    UNDELIVERED,
    UP,
)
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.contracts.jobs import (
    ALERTMANAGER_JOB,
    EXPORTER_JOB,
    RECEIVERS_JOB,
    own_scrape_seconds,
)
from risk_policy.model import Policy
from risk_policy.vocabulary import Severity
from risk_rules import promql
from risk_rules.conditions import Condition
from risk_rules.latches import value_of
from risk_rules.timing import (
    account_hold_seconds,
    failure_memory_seconds,
    looked_back_seconds,
    off_multiple,
)

#: A silence begins to count where the last fresh snapshot is no older than so many of the allowed
#: times: Prometheus may have been restarted meanwhile, but not everything since yesterday.
RECENT: Final = 2
#: The share of scrapes, failed or not, without which Prometheus has not looked.
LOOKED: Final = 0.5


def system_conditions(policy: Policy) -> Iterator[Condition]:
    """Every condition of the health catalogue."""
    yield Condition(system.WATCHDOG, "vector(1)")
    yield _part_down(policy, system.EXPORTER_DOWN, EXPORTER_JOB)
    yield _receivers_down(policy)
    yield _standby_missing()
    yield _part_down(policy, system.ALERTMANAGER_DOWN, ALERTMANAGER_JOB)
    yield _data_stale(policy)
    yield _runtime_silent(policy)
    yield _no_account(policy)
    yield _clock_skew(policy)
    yield _not_a_number()
    yield _unevaluable(policy)
    yield _var_incomplete(policy)
    yield Condition(
        system.STATE_UNSAVED,
        f"max({promql.series(m.STATE_UNSAVED)}) > "
        f"{promql.number(policy.alerting.system.snapshot_stale_seconds)}",
    )
    yield from _fast_lane(policy)
    yield _policy_drift(policy)
    yield from _own_trouble(policy)
    yield from _delivery(policy)
    yield from _disk(policy)
    yield from _certificate(policy)
    yield from _chain(policy)
    not_recording = f"min({promql.series(m.WRITER_HEALTHY)}) == 0"
    yield Condition(system.NOT_RECORDING, not_recording)
    yield _unheard()


def _part_down(policy: Policy, alert: SystemAlert, job: str) -> Condition:
    """A part whose target is down, or of which Prometheus knows no target at all.

    Both are one condition without labels, so that going from one to the other does not
    start its confirmation anew. A part that keeps dying and coming back is down as well: each
    failure counts for a while, shorter than the confirmation, so that a single one still means
    nothing.
    """
    up = promql.series(UP, job=job)
    answers = f"min({up}) == 1"
    if memory := failure_memory_seconds(policy, policy.number(alert.duration)):
        answers += f" and min(min_over_time({up}[{promql.duration(memory)}])) == 1"
    return Condition(alert, f"absent({answers})", job)


def _receivers_down(policy: Policy) -> Condition:
    """No receivers that lead. Of several, one that answers is enough, if one of them leads."""
    alert = system.RECEIVERS_DOWN
    if not policy.alerting.high_availability.peers:
        return _part_down(policy, alert, RECEIVERS_JOB)
    up = promql.series(UP, job=RECEIVERS_JOB)
    answers = f"max({up}) == 1"
    if memory := failure_memory_seconds(policy, policy.number(alert.duration)):
        answers += f" and max(min_over_time({up}[{promql.duration(memory)}])) == 1"
    answers += f" and max({promql.series(m.RECEIVERS_LEADER)}) == 1"
    return Condition(alert, f"absent({answers})", RECEIVERS_JOB)


def _standby_missing() -> Condition:
    """One of several receivers does not answer, and another does."""
    up = promql.series(UP, job=RECEIVERS_JOB)
    return Condition(system.STANDBY_MISSING, f"min({up}) == 0 and max({up}) == 1")


def _data_stale(policy: Policy) -> Condition:
    """An account whose latest snapshot is too old.

    The age is held until RISK_EXPORTER_DOWN fires, so a dying exporter cannot resolve it.
    """
    age = promql.aggregate(
        "max",
        m.SNAPSHOT_AGE,
        ("account",),
        promql.latest(m.SNAPSHOT_AGE, account_hold_seconds(policy)),
    )
    stale = promql.number(policy.alerting.system.snapshot_stale_seconds)
    return Condition(system.DATA_STALE, f"{age} > {stale}")


def _runtime_silent(policy: Policy) -> Condition:
    """An account that was fresh and has not been since, under the eyes of Prometheus.

    It begins only where a fresh snapshot was seen not much longer ago than it may be, and where
    Prometheus has looked meanwhile: nobody who merely starts late has fallen silent, and what
    happened while Prometheus was down it did not see. It goes on until a fresh one is seen,
    whoever is dead by then, unless an exporter that answers knows nothing of the account any more.
    """
    alert = system.RUNTIME_SILENT
    silence = policy.alerting.dead_man.runtime_seconds
    stale = promql.number(policy.alerting.system.snapshot_stale_seconds)
    up = promql.series(UP, job=EXPORTER_JOB)

    def fresh(seconds: float) -> str:
        window = promql.duration(off_multiple(policy, seconds))
        ages = f"min_over_time({promql.series(m.SNAPSHOT_AGE)}[{window}])"
        return f"(min by (account) ({ages}) <= {stale})"

    window = promql.duration(off_multiple(policy, silence))
    least = promql.number(round(LOOKED * silence / _scrape(policy), 3))
    looked = f"max(count_over_time({up}[{window}])) >= {least}"
    begins = f"group by (account) ({fresh(RECENT * silence)} and on () ({looked}))"
    hold = promql.duration(off_multiple(policy, policy.alerting.latch.hold_missing_minutes * 60))
    before = f"group by (account) ({value_of(alert.limit)})"
    known = promql.aggregate(
        "group",
        m.SNAPSHOT_AGE,
        ("account",),
        f"last_over_time({promql.series(m.SNAPSHOT_AGE)}[{hold}])",
    )
    answers = f"min(min_over_time({up}[{hold}])) == 1"
    retired = f"({before} unless on (account) {known}) and on () ({answers})"
    goes_on = f"({before} unless on (account) ({retired}))"
    return Condition(
        alert, f"({begins}\nor on (account) {goes_on})\nunless on (account) {fresh(silence)}"
    )


def _no_account(policy: Policy) -> Condition:
    """An exporter that answers, now and then at least, and knows of no account.

    That is how a restarted exporter looks whose runtime is dead: nothing is old, nothing
    is there. Prometheus must have looked for as long as a snapshot may be old. A starting
    exporter has a scrape to hear of its account, as RISK_EXPORTER_DOWN still fires then.
    """
    stale = policy.alerting.system.snapshot_stale_seconds
    window = promql.duration(off_multiple(policy, stale))
    up = promql.series(UP, job=EXPORTER_JOB)
    answered = f"max_over_time({up}[{window}]) == 1"
    if wait := starting_seconds(policy):
        answered += f" and {up} offset {promql.duration(wait)} == 1"
    expression = (
        f"absent_over_time({promql.series(m.SNAPSHOT_AGE)}[{window}])\n"
        f"and on () ({answered} and {up} offset {promql.duration(stale)})"
    )
    return Condition(system.NO_ACCOUNT, expression)


def starting_seconds(policy: Policy) -> float:
    """One scrape, if RISK_EXPORTER_DOWN outlives the failure that long; else nothing.

    The first answer comes a scrape after the last failure, and the account a scrape later.
    """
    interval = policy.alerting.prometheus.scrape_interval_seconds
    memory = failure_memory_seconds(policy, policy.alerting.system.exporter_down_seconds)
    return interval if memory > 2 * interval else 0


def _clock_skew(policy: Policy) -> Condition:
    """Compared at the same instant: when Prometheus asked, and what the other's clock said."""
    clocks = [promql.series(metric) for metric in (m.EXPORTER_TIME, m.RECEIVERS_TIME)]
    apart = " or ".join(f"abs(timestamp({clock}) - {clock})" for clock in clocks)
    limit = promql.number(policy.alerting.system.clock_skew_seconds)
    return Condition(system.CLOCK_SKEW, f"max by (instance) ({apart}) > {limit}")


def _not_a_number() -> Condition:
    raw = promql.series(m.LIMIT_RAW, held="")
    counted = f"count by (account, limit) ({raw} != {raw})"
    return Condition(system.VALUE_NAN, promql.with_copied_label(counted, "watched", "limit"))


def _unevaluable(policy: Policy) -> Condition:
    """What has to be reported and is not, and what an account reported until lately."""
    reported = f"group by (account) ({promql.series(m.POSITIONS_OPEN)})"
    missing = [
        promql.with_constant_label(
            f"({reported} unless on (account) {promql.series(m.LIMIT_RAW, limit=name, held='')})",
            "watched",
            name,
        )
        for name in policy.alerting.system.required_limits
    ]
    lately = promql.duration(off_multiple(policy, policy.alerting.latch.hold_missing_minutes * 60))
    of_accounts = promql.one_of(limit.name for limit in LIMITS if limit.identity == ("account",))
    raw = promql.series(m.LIMIT_RAW, held="")
    known = f'last_over_time({m.LIMIT_RAW.name}{{limit=~{of_accounts},held=""}}[{lately}])'
    withdrawn = (
        f"group by (account, limit) ({known}) unless on (account, limit) {raw} "
        f"and on (account) {reported}"
    )
    seen = promql.with_copied_label(f"({withdrawn})", "watched", "limit")
    expression = "\nor on (account, watched) ".join([*missing, seen])
    return Condition(system.LIMIT_UNEVALUABLE, expression)


def _var_incomplete(policy: Policy) -> Condition:
    covered = f"min by (account) ({promql.series(m.VAR_COVERED)})"
    least = round(policy.alerting.system.var_covered_min_pct / 100, 10)
    return Condition(system.VAR_INCOMPLETE, f"{covered} < {promql.number(least)}")


def _fast_lane(policy: Policy) -> Iterator[Condition]:
    """What is off on purpose is no trouble, and has nothing that waits."""
    if policy.alerting.fast_lane.enabled:
        off = f"min by (instance) ({promql.series(m.FAST_LANE_ON)}) == 0"
        yield Condition(system.FAST_LANE_OFF, off)
    waiting = f"max by (instance) ({promql.series(m.FAST_LANE_UNACKNOWLEDGED)}) > 0"
    yield Condition(system.FAST_LANE_UNHEARD, waiting)


def _policy_drift(policy: Policy) -> Condition:
    """More than one policy digest among the running parts and these rules."""
    digests = promql.aggregate(
        "count",
        m.POLICY_INFO,
        ("digest",),
        promql.latest(m.POLICY_INFO, account_hold_seconds(policy)),
    )
    return Condition(system.POLICY_DRIFT, f"count({digests}) > 1")


def _own_trouble(policy: Policy) -> Iterator[Condition]:
    """What Prometheus and Alertmanager say about themselves."""
    yield Condition(system.RULES_FAILING, f"sum({_risen(policy, RULE_FAILURES)}) > 0")
    yield Condition(system.RULES_LATE, f"sum({_risen(policy, RULE_MISSED)}) > 0")
    refused = " or ".join(
        f"min by (job) ({promql.series(metric)}) == 0"
        for metric in (PROMETHEUS_RELOADED, ALERTMANAGER_RELOADED)
    )
    yield Condition(system.CONFIG_RELOAD_FAILED, refused)
    lost = f"sum by (alertmanager) ({_risen(policy, UNDELIVERED)}) > 0"
    yield Condition(system.ALERTS_UNDELIVERED, lost)


def _delivery(policy: Policy) -> Iterator[Condition]:
    yield _channel_failing(policy)
    dead = f"max by (channel) ({promql.series(m.DEAD_LETTERS)}) > 0"
    yield Condition(system.DEAD_LETTERS, dead)
    yield Condition(system.REPORTS_FAILING, f"max({promql.series(m.REPORTS_FAILING)}) > 0")
    errors = f"sum by (component) ({_risen(policy, m.UNEXPECTED_ERRORS)}) > 0"
    yield Condition(system.UNEXPECTED_ERRORS, errors)


def _channel_failing(policy: Policy) -> Condition:
    """Others had to take over, it fails again and again, or it has failed for long.

    One try that fails and succeeds when it is repeated means nothing; what is given up without
    anybody to take over is an alert of its own.
    """
    over = f"sum by (channel) ({_risen(policy, m.FAILOVERS)}) > 0"
    # Extrapolation to the edges of the window must not turn one into two, or two into one.
    broken = f"max by (channel) ({_risen(policy, m.CHANNEL_BREAKDOWNS)})"
    again = f"floor({broken} + 0.25) >= 2"
    up, long = promql.series(m.CHANNEL_UP), policy.alerting.system.channel_down_seconds
    throughout = f"max_over_time({up}[{promql.duration(off_multiple(policy, long))}]) == 0"
    down = f"group by (channel) ({throughout} and {up} offset {promql.duration(long)} == 0)"
    return Condition(system.CHANNEL_FAILING, f"{over}\nor {again}\nor {down}")


def _unheard() -> Condition:
    """What is critical while the receivers are dead, of which only Prometheus knows by then.

    What fires about the receivers reaches people past them and needs no second word.
    """
    dead = (system.RECEIVERS_DOWN.name, system.NOT_RECORDING.name)
    firing = f'alertstate="firing",{labels.ALERTNAME}'
    past = promql.one_of((*dead, system.ALERT_UNHEARD.name))
    worst = promql.one_of(
        severity.value for severity in Severity if severity.rank >= Severity.CRITICAL.rank
    )
    matters = f"{ALERTS.name}{{{firing}!~{past},{labels.SEVERITY}=~{worst}}}"
    deaf = f"{ALERTS.name}{{{firing}=~{promql.one_of(dead)}}}"
    counted = f"count by ({labels.ALERTNAME}, {labels.SEVERITY}) ({matters}) and on () {deaf}"
    watched = promql.with_copied_label(f"({counted})", "watched", labels.ALERTNAME)
    named = promql.with_copied_label(watched, "of_severity", labels.SEVERITY)
    return Condition(system.ALERT_UNHEARD, named)


def _disk(policy: Policy) -> Iterator[Condition]:
    """Each level on its own; the worse one does not end the milder."""
    free = f"min by (component) ({promql.series(m.DISK_FREE)})"
    limits = policy.alerting.system
    for alert, percent in (
        (system.DISK_LOW, limits.disk_free_warning_pct),
        (system.DISK_FULL, limits.disk_free_critical_pct),
    ):
        yield Condition(alert, f"{free} < {promql.number(round(percent / 100, 10))}")


def _certificate(policy: Policy) -> Iterator[Condition]:
    """Each level on its own, as of a disk. One that has expired has no time left."""
    left = f"clamp_min(min({promql.series(m.CERTIFICATE_EXPIRES)}) - time(), 0)"
    limits = policy.alerting.system
    for alert, days in (
        (system.CERTIFICATE_EXPIRING, limits.certificate_warning_days),
        (system.CERTIFICATE_ENDING, limits.certificate_critical_days),
    ):
        yield Condition(alert, f"{left} < {promql.number(days * 86_400)}")


def _chain(policy: Policy) -> Iterator[Condition]:
    """What a rule can witness of the audit chain: its length and its head.

    Both are seen for a moment only: a chain that was cut grows again, and one that was rewritten
    goes on from its new head. So each stays an alert for as long as it would be remembered.
    """
    yield Condition(system.CHAIN_BROKEN, f"min({promql.series(m.AUDIT_INTACT)}) == 0")
    size, head = promql.series(m.AUDIT_EVENTS), promql.series(m.AUDIT_HEAD)
    remembered = promql.duration(
        off_multiple(policy, policy.alerting.system.audit_witness_hours * 3600)
    )
    shorter = f"max({size}) < max(max_over_time({size}[{remembered}]))"
    yield _remembered(policy, system.CHAIN_TRUNCATED, shorter)
    moment = promql.duration(off_multiple(policy, 3 * _scrape(policy)))
    replaced = f"max(changes({head}[{moment}])) > 0 unless on () max(changes({size}[{moment}])) > 0"
    yield _remembered(policy, system.CHAIN_REWRITTEN, _seen_lately(policy, replaced))
    patience = promql.number(policy.alerting.system.audit_unsigned_seconds)
    yield Condition(system.CHAIN_UNSIGNED, f"max({promql.series(m.AUDIT_UNSIGNED)}) > {patience}")
    stopped = f"max({promql.series(m.AUDIT_RETENTION_STOPPED)}) > 0"
    yield Condition(system.RETENTION_STOPPED, stopped)


def _seen_lately(policy: Policy, seen: str) -> str:
    """What is there for a few scrapes only, looked at for every scrape since the last evaluation.

    A longer window would not do: whoever appends after a rewrite would hide it.
    """
    lately = looked_back_seconds(policy)
    if not lately:
        return seen
    return f"max_over_time(({seen})[{promql.duration(lately)}:{promql.duration(_scrape(policy))}])"


def _remembered(policy: Policy, alert: SystemAlert, seen: str) -> Condition:
    """What was seen lately; its value is when it was seen last."""
    seconds = policy.alerting.system.audit_witness_hours * 3600
    before = (
        f"last_over_time({value_of(alert.limit)}[{promql.duration(off_multiple(policy, seconds))}])"
    )
    kept = f"{before} > time() - {promql.number(seconds)}"
    return Condition(alert, f"(clamp({seen}, 0, 0) + time())\nor on () ({kept})")


def _risen(policy: Policy, counter: Metric, **matchers: str) -> str:
    """How much a counter has grown lately, across restarts."""
    own = counter.name.startswith("prometheus_")
    interval = own_scrape_seconds(policy) if own else _scrape(policy)
    window = max(policy.alerting.system.failure_window_minutes * 60, 4 * interval)
    series = promql.series(counter, **matchers)
    return f"increase({series}[{promql.duration(off_multiple(policy, window))}])"


def _scrape(policy: Policy) -> float:
    return policy.alerting.prometheus.scrape_interval_seconds
