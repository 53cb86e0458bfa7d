"""Proofs of the alerts about the risk layer itself."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.contracts.artefact import duration
from risk_policy.model import Policy
from risk_rules import wording
from risk_rules.proofs.series import Timeline, check, firing, scenario, series
from risk_rules.system import (
    EXPORTER_JOB,
    RECEIVERS_JOB,
    UP,
    no_snapshot_wait_seconds,
    static_labels,
)
from risk_rules.timing import account_hold_seconds, failure_memory_seconds, off_multiple

_NUDGE: Final = 0.001
_FRESH: Final = 0.0


@dataclass(frozen=True)
class SystemProof:
    """Writes the tests of the system alerts."""

    policy: Policy

    def scenarios(self) -> list[dict[str, Any]]:
        """Every test of the system alerts."""
        parts = ((system.EXPORTER_DOWN, EXPORTER_JOB), (system.RECEIVERS_DOWN, RECEIVERS_JOB))
        return [
            self._watchdog(),
            *(self._down(alert, job) for alert, job in parts),
            *(self._one_of_two_down(alert, job) for alert, job in parts),
            *(self._absent(alert, job) for alert, job in parts),
            *(test for alert, job in parts for test in self._crash_loop(alert, job)),
            self._stale(),
            self._stale_while_exporter_dies(),
            self._no_snapshot(),
            self._starts_late(),
            self._empty_after_a_restart(),
            self._drift(),
        ]

    def _watchdog(self) -> dict[str, Any]:
        alert = system.WATCHDOG
        always = self._firing(alert, labels.risk_id(alert.limit))
        checks = [check(alert.name, at, always) for at in (0, 10 * self._evaluation)]
        return scenario("Watchdog: fires always", self._step, [], checks)

    def _down(self, alert: SystemAlert, job: str) -> dict[str, Any]:
        """Up, down, up again, then out of Prometheus's sight."""
        line, checks = Timeline(self._step), []
        fires = self._firing(alert, labels.risk_id(alert.limit, job))
        wait = self.policy.number(alert.duration)
        settle = wait + self._tick
        checks.append(check(alert.name, line.keep(1, self._tick)))
        if wait:
            checks.append(check(alert.name, max(line.next, line.next + wait - self._evaluation)))
        checks.append(check(alert.name, line.keep(0, settle), fires))
        memory = failure_memory_seconds(self.policy, wait)
        if memory > self._tick:
            checks.append(check(alert.name, line.keep(1, 0), fires))
        checks.append(check(alert.name, line.keep(1, memory + self._tick)))
        vanished = line.next
        line.end(settle)
        checks.append(check(alert.name, round(vanished + wait + self._evaluation, 3), fires))
        return scenario(
            f"{alert.name}: down, up again, vanished", self._step, [self._up(job, line)], checks
        )

    def _one_of_two_down(self, alert: SystemAlert, job: str) -> dict[str, Any]:
        """A second target of the same job that answers does not hide the one that does not."""
        settle = self.policy.number(alert.duration) + self._tick
        up, down = Timeline(self._step), Timeline(self._step)
        up.keep(1, settle)
        at = down.keep(0, settle)
        fires = self._firing(alert, labels.risk_id(alert.limit, job))
        return scenario(
            f"{alert.name}: one of two is down",
            self._step,
            [self._up(job, up), self._up(job, down, instance="two")],
            [check(alert.name, at, fires)],
        )

    def _absent(self, alert: SystemAlert, job: str) -> dict[str, Any]:
        settle = self.policy.number(alert.duration) + self._tick
        return scenario(
            f"{alert.name}: fires if there is no such target",
            self._step,
            [],
            [check(alert.name, settle, self._firing(alert, labels.risk_id(alert.limit, job)))],
        )

    def _crash_loop(self, alert: SystemAlert, job: str) -> list[dict[str, Any]]:
        """One failed scrape means nothing; every other one failing does, without a break."""
        wait = self.policy.number(alert.duration)
        memory = failure_memory_seconds(self.policy, wait)
        if not memory:
            return []
        line, checks = Timeline(self._step), []
        line.keep(1, self._tick)
        line.keep(0, 0)
        checks.append(check(alert.name, line.keep(1, wait + self._tick)))
        fires = self._firing(alert, labels.risk_id(alert.limit, job))
        settled = line.now + wait + self._tick
        while line.now < settled + 2 * wait:
            for value in (0, *(1 for _ in range(int(memory / self._step)))):
                at = line.keep(value, 0)
                checks += [check(alert.name, at, fires)] if at > settled else []
        healthy = Timeline(self._step)
        healthy.keep(1, line.now)
        inputs = [self._up(job, line), self._up(job, healthy, instance="two")]
        name = f"{alert.name}: a part that keeps dying is down, a lost scrape is not"
        return [scenario(name, self._step, inputs, checks)]

    def _stale(self) -> dict[str, Any]:
        """Two accounts: one whose snapshots stop and come again, one that goes on.

        The first is also claimed by an exporter that has fresh data: the staler one counts.
        """
        name, stale = system.DATA_STALE.name, self._stale_seconds
        line, other = Timeline(self._step), Timeline(self._step)
        ages = (stale - _NUDGE, stale)
        checks = [check(name, line.keep(age, self._tick)) for age in ages]
        age = stale + _NUDGE
        checks.append(check(name, line.keep(age, self._tick), self._stale_account(age)))
        checks.append(check(name, line.keep(_FRESH, self._tick)))
        other.keep(_FRESH, line.now)
        inputs = [
            self._age("main", line),
            self._age("main", other, instance="two"),
            self._age("other", other),
        ]
        return scenario(f"{name}: quiet below and at its limit", self._step, inputs, checks)

    def _stale_while_exporter_dies(self) -> dict[str, Any]:
        """The dying exporter does not resolve it before RISK_EXPORTER_DOWN fires."""
        name, age = system.DATA_STALE.name, self._stale_seconds + _NUDGE
        down = system.EXPORTER_DOWN
        hold = account_hold_seconds(self.policy)
        line, up = Timeline(self._step), Timeline(self._step)
        line.keep(age, self._tick)
        at = up.keep(1, self._tick)
        line.end(hold + self._tick)
        up.keep(0, hold + self._tick)
        last = round(at + hold - self._evaluation, 3)
        dead = self._firing(down, labels.risk_id(down.limit, EXPORTER_JOB))
        checks = [check(down.name, round(at + hold, 3), dead)]
        if hold > self._evaluation:
            checks.append(check(name, last, self._stale_account(age)))
        inputs = [self._age("main", line), self._up(EXPORTER_JOB, up)]
        return scenario(f"{name}: outlives its exporter", self._step, inputs, checks)

    def _no_snapshot(self) -> dict[str, Any]:
        """An exporter that starts and never gets a snapshot; then one arrives."""
        name, stale = system.DATA_STALE.name, self._stale_seconds
        up, age, checks = Timeline(self._step), Timeline(self._step), []
        checks += [check(name, at) for at in self._evaluations(0, stale - self._evaluation)]
        up.keep(1, off_multiple(self.policy, stale) + 2 * self._tick)
        fires = firing(
            static_labels(system.DATA_STALE, labels.risk_id(system.DATA_STALE.limit)),
            wording.no_snapshot_annotations(self.policy),
        )
        checks.append(check(name, up.now, fires))
        age.absent(up.now)
        age.keep(_FRESH, self._tick)
        up.keep(1, self._tick)
        checks.append(check(name, age.now))
        inputs = [self._up(EXPORTER_JOB, up), self._age("main", age)]
        return scenario(f"{name}: fires if nobody ever sends", self._step, inputs, checks)

    def _starts_late(self) -> dict[str, Any]:
        """An exporter that starts long after Prometheus may hear of its account a scrape later."""
        name = system.DATA_STALE.name
        up, age = Timeline(self._step), Timeline(self._step)
        up.keep(0, self._stale_seconds + 2 * self._tick)
        started = up.keep(1, 0)
        age.absent(started if no_snapshot_wait_seconds(self.policy) else started - self._step)
        until = age.keep(_FRESH, self._tick)
        up.keep(1, self._tick)
        checks = [check(name, at) for at in self._evaluations(started, until)]
        inputs = [self._up(EXPORTER_JOB, up), self._age("main", age)]
        return scenario(f"{name}: leaves a starting exporter time", self._step, inputs, checks)

    def _empty_after_a_restart(self) -> dict[str, Any]:
        """An account is known, its exporter dies and comes back with no account: never silence."""
        name, stale, down = system.DATA_STALE.name, self._stale_seconds, system.EXPORTER_DOWN
        up, age = Timeline(self._step), Timeline(self._step)
        age.keep(_FRESH, self._tick)
        up.keep(1, self._tick)
        gone = max(stale, self.policy.number(down.duration)) + 2 * self._tick
        age.end(3 * gone)
        died = up.keep(0, gone)
        up.keep(1, gone)
        alarm = "ALERTS{alertname=~" + f'"{name}|{down.name}"' + ',alertstate="firing"}'
        loud = [
            {
                "expr": f"count({alarm}) > bool 0",
                "eval_time": duration(moment),
                "exp_samples": [{"value": 1}],
            }
            for moment in self._evaluations(died, up.now)
        ]
        inputs = [self._up(EXPORTER_JOB, up), self._age("main", age)]
        title = f"{name}: takes over from {down.name} if the account stays away"
        return scenario(title, self._step, inputs, [], loud)

    def _drift(self) -> dict[str, Any]:
        """A component on the same policy, one on another, and the same one mended."""
        alert = system.POLICY_DRIFT
        wait = self.policy.number(alert.duration)
        hold = account_hold_seconds(self.policy)
        settle = wait + 2 * self._tick
        same, other = Timeline(self._step), Timeline(self._step)
        checks = [check(alert.name, same.keep(1, settle))]
        other.absent(same.now)
        if wait:
            checks.append(check(alert.name, max(other.next, other.next + wait - self._evaluation)))
        fires = self._firing(alert, labels.risk_id(alert.limit))
        checks.append(check(alert.name, other.keep(1, settle), fires))
        checks.append(check(alert.name, other.end(hold + self._tick)))
        same.keep(1, other.now - same.now)
        inputs = [
            self._info("exporter", self.policy.digest, same),
            self._info("receivers", "0" * 64, other),
        ]
        return scenario(f"{alert.name}: two digests at once", self._step, inputs, checks)

    @property
    def _step(self) -> float:
        return self.policy.alerting.prometheus.scrape_interval_seconds

    @property
    def _evaluation(self) -> float:
        return self.policy.alerting.prometheus.evaluation_interval_seconds

    @property
    def _tick(self) -> float:
        """After this long, every evaluation has seen the latest scrape."""
        return 2 * max(self._step, self._evaluation)

    def _evaluations(self, start: float, end: float) -> list[float]:
        """Every evaluation from one time to another."""
        first, last = math.ceil(start / self._evaluation), math.floor(end / self._evaluation)
        return [round(number * self._evaluation, 3) for number in range(first, last + 1)]

    @property
    def _stale_seconds(self) -> float:
        return self.policy.alerting.system.snapshot_stale_seconds

    def _firing(self, alert: SystemAlert, risk_id: str) -> dict[str, Any]:
        return firing(static_labels(alert, risk_id), wording.system_annotations(self.policy, alert))

    def _stale_account(self, age: float) -> dict[str, Any]:
        alert = system.DATA_STALE
        named = static_labels(alert, labels.risk_id(alert.limit, "main"))
        shown = wording.stale_annotations(self.policy, "main", wording.seconds(age))
        return firing({**named, "account": "main"}, shown)

    def _up(self, job: str, line: Timeline, instance: str = "one") -> dict[str, str]:
        return series(UP, {"job": job, "instance": instance}, line.values)

    def _age(self, account: str, line: Timeline, instance: str = "one") -> dict[str, str]:
        # Whatever the exporter calls it: the rule builds the risk_id itself.
        named = {"account": account, labels.RISK_ID: f"snapshot/{account}"}
        target = {"job": EXPORTER_JOB, "instance": instance}
        return series(m.SNAPSHOT_AGE, {**named, **target}, line.values)

    def _info(self, component: str, digest: str, line: Timeline) -> dict[str, str]:
        named = {"component": component, "digest": digest, "job": component, "instance": "one"}
        return series(m.POLICY_INFO, named, line.values)
