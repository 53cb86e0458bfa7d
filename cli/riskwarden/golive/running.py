"""Whether what runs would hold: receivers, gate, kill switch, rules and routes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from risk_policy.contracts.safety_snapshot import GateStatus
from risk_policy.contracts.safety_snapshot_parts import AccountGates
from risk_policy.vocabulary import Severity
from risk_receivers.kill.switch import Phase
from risk_receivers.shapes.system import Status, TripPreview
from riskwarden.alignment import Alignment
from riskwarden.golive.finding import Finding, failed, listed, not_known, passed

_STATUS = "riskwarden status"
_RESTART = "restart what runs on another policy, or name the policy that is meant with --policy"
#: An alert that is one of these needs somebody now.
_URGENT = (Severity.EMERGENCY, Severity.CRITICAL)


def receivers(status: Status) -> Finding:
    """Whether the service can do its work."""
    if not status["ready"] or status["problems"]:
        said = "; ".join(status["problems"]) or "the receivers say that they are not ready"
        return failed(said, f"mend what they complain about, and look with {_STATUS}")
    return passed(f"ready, {status['audit']['size']} records in the audit chain")


def gate(status: Status, local: GateStatus | None) -> Finding:
    """Whether the gate is fresh and lets orders pass, as a runtime of this machine sees it too.

    ``local`` is what the files of the data folder say; None where there is no such folder.
    """
    said = status["gate"]
    if said["halted"] or not said["open"] or said["lease_withheld"]:
        why = "; ".join(said["lease_withheld"]) or "it is closed"
        return failed(f"orders that add risk are refused: {why}", f"see why with {_STATUS}")
    if said["lease_remaining_seconds"] <= 0:
        return failed("its lease has ended", "find out why nobody renews it: are the clocks right?")
    fresh = f"open, the lease runs {said['lease_remaining_seconds']:.1f} s"
    if local is None:
        return passed(f"{fresh}, as the receivers say")
    if local.kill_order:
        return failed(
            f"the order KILL stands in {local.folder}", f"find out who gave it: {_STATUS}"
        )
    if local.adds_risk != "allowed":
        return failed(
            f"the receivers say that it is open, but {local.folder} says {local.state}: "
            f"{local.reason}",
            "see that the runtime reads the folder that these receivers publish",
        )
    return passed(f"{fresh}, and so say the files in {local.folder}")


def kill_switch(status: Status) -> Finding:
    """Whether it is armed: neither tripped nor disarmed, everywhere."""
    switch = status["kill_switch"]
    if switch["kills"]:
        scopes = listed([f"{one['scope']}: {one['cause']}" for one in switch["kills"]])
        return failed(f"it is tripped over {scopes}", "riskwarden clear, once the cause is mended")
    if switch["state"] != Phase.ARMED.value:
        return failed(f"it is {switch['state']}", "riskwarden arm")
    if not switch["on_record"]:
        return not_known("it is armed, but the record does not say so", f"look with {_STATUS}")
    return passed("armed; nothing is tripped")


def dry_run(preview: TripPreview, mode: str) -> Finding:
    """Whether the first of the two steps says what a kill would do, and to what."""
    steps = "; ".join(preview["steps"])
    if preview["mode"] != mode or not steps:
        return failed("the preview does not say what would happen", "update the receivers")
    held = preview["positions"]
    if held is None:
        return not_known(
            f"which positions it would close is not known: {preview['unknown']}",
            "mend the way from the receivers to Prometheus: their --prometheus",
        )
    would = f"{len(held)} position{'s' if len(held) != 1 else ''} would be covered"
    return passed(f"mode {mode}: {steps}. {would}; nothing was tripped")


def quiet_now(status: Status) -> Finding:
    """Whether nothing urgent is open, and nothing holds orders back."""
    opened = status["incidents_open"]
    held = status["restrictions"]
    if opened is None or held is None:
        return not_known("the store does not say what is open", f"look with {_STATUS}")
    urgent = [f"{opened[one]} {one.value}" for one in _URGENT if opened.get(one.value)]
    if urgent:
        return failed(
            f"alerts are open: {', '.join(urgent)}", f"deal with them first: {_STATUS}, the console"
        )
    if held:
        return failed(
            f"alerts hold orders back: {listed([one['cause'] for one in held])}",
            "riskwarden restrictions shows them; wait, or riskwarden resume",
        )
    return passed("no critical or emergency alert is open, and no restriction holds")


def runtime(accounts: Sequence[AccountGates]) -> Finding:
    """Whether a runtime tells of its accounts, and lately."""
    if not accounts:
        return not_known(
            "no runtime tells anything of an account", "start the runtime as it will run live"
        )
    stale = [one.account for one in accounts if not one.is_current]
    if stale:
        return failed(
            f"what is known of {listed(stale)} is too old to count",
            "see that the runtime publishes snapshots, and that the exporter takes them",
        )
    return passed("; ".join(f"{one.account}: {one.effective_mode}" for one in accounts))


def policy_in_force(digest: str, said: Mapping[str, str], wanted: Iterable[str]) -> Finding:
    """Whether every part runs on this policy.

    Args:
        said: the digest of each part's policy.
        wanted: the parts that have to say.
    """
    others = [f"{part} {theirs[:12]}" for part, theirs in said.items() if theirs != digest]
    if others:
        return failed(f"on another policy than {digest[:12]}: {listed(others)}", _RESTART)
    if silent := [part for part in wanted if part not in said]:
        return not_known(
            f"{', '.join(silent)}: does not say which policy it has",
            "start it, and see that Prometheus reaches it",
        )
    return passed(f"{digest[:12]} in {', '.join(sorted(said))}")


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, in one spelling.

    Attributes:
        kind: alert or record.
        duration: how long it has to hold, in seconds.
    """

    group: str
    kind: str
    name: str
    expression: str
    duration: float
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.group}/{self.name}"


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """What Prometheus evaluates, and those of it that it cannot."""

    rules: frozenset[Rule]
    unhealthy: tuple[str, ...] = ()


def rules(wanted: frozenset[Rule], held: RulesInForce) -> Finding:
    """Whether Prometheus evaluates what the policy generates, all of it and nothing else."""
    to_do = "riskwarden generate, then have Prometheus load it: curl -X POST …/-/reload, or SIGHUP"
    missing = sorted({str(one) for one in wanted - held.rules})
    if not wanted:
        return failed("the policy generates no rules", "mend the policy: riskwarden policy check")
    if missing:
        return failed(f"not evaluated as the policy has it: {listed(missing)}", to_do)
    if strange := sorted({str(one) for one in held.rules - wanted if _is_ours(one, wanted)}):
        return failed(f"evaluated, and of no policy: {listed(strange)}", to_do)
    if held.unhealthy:
        return failed(
            f"Prometheus cannot evaluate {listed(held.unhealthy)}", "see its page /rules for why"
        )
    return passed(f"all {len(wanted)} rules of the policy, letter by letter")


def phase(found: Finding, measured: Alignment | str) -> Finding:
    """The same, with how long what was scraped waits; or with why that cannot be told."""
    if isinstance(measured, str):
        return passed(f"{found.seen}; how far they lie behind the scrape is not known: {measured}")
    wait = (
        f"what trips is evaluated {measured.longest_wait_seconds * 1000:.0f} ms behind the scrape"
    )
    aligned = all(group.is_aligned for group in measured.groups)
    return passed(f"{found.seen}; {wait}{'' if aligned else ', less after riskwarden align'}")


def _is_ours(rule: Rule, wanted: frozenset[Rule]) -> bool:
    """A Prometheus may have rules of others beside ours."""
    return rule.group in {one.group for one in wanted}


@dataclass(frozen=True, slots=True)
class RoutesInForce:
    """Which configuration Alertmanager runs.

    Attributes:
        file: the one that was generated.
        made_from: the digest of the policy that it says; None if it says none.
        file_hash: as Alertmanager reckons it.
        running_hash: of what it runs; None if it does not say.
        loaded: whether the last one it was given could be loaded.
    """

    file: str
    made_from: str | None
    file_hash: float
    running_hash: float | None
    loaded: bool | None


def routes(digest: str, seen: RoutesInForce) -> Finding:
    """Whether Alertmanager runs what was generated from this policy."""
    if seen.made_from != digest:
        return failed(
            f"{seen.file} was made from {(seen.made_from or 'no policy')[:12]}, not {digest[:12]}",
            "name the file that it runs with --alertmanager-config; if this is it, riskwarden "
            "generate, then have Alertmanager load it",
        )
    if seen.loaded is False:
        return failed("Alertmanager refused the last configuration", "see its log for why")
    if seen.running_hash is None:
        return not_known("Alertmanager does not say what it runs", "see that /metrics answers")
    if seen.running_hash != seen.file_hash:
        return failed(
            f"Alertmanager runs something else than {seen.file}",
            "have it load that file: SIGHUP; or name the right one with --alertmanager-config",
        )
    return passed(f"it runs {seen.file}, made from {digest[:12]}")


def delivery(
    down: Sequence[str], told: Iterable[str], wanted: Sequence[tuple[str, str]], *, targets: int
) -> Finding:
    """Whether Prometheus reaches what it scrapes, and delivers alerts to machines and people.

    Args:
        down: targets that it does not reach.
        told: ``host:port`` of whomever it delivers alerts to.
        wanted: who has to be among them: what it is, and where.
    """
    if not targets:
        return failed("Prometheus scrapes nothing", "start it with the generated configuration")
    if down:
        return failed(f"it does not reach {listed(down)}", "see its page /targets for why")
    reached = set(told)
    places = [f"{name} at {at}" for name, at in wanted]
    if missing := [f"{name} at {at}" for name, at in wanted if at not in reached]:
        return failed(
            f"it delivers no alerts to {' and '.join(missing)}",
            "start it with the generated configuration, section alerting",
        )
    return passed(f"{targets} targets are up; alerts go to {' and '.join(places)}")


def disk(free: float | None, least_pct: float, where: str) -> Finding:
    """Whether there is room to keep a record."""
    if free is None:
        return not_known(f"{where}: how full its disk is is not known", "look with df")
    said = f"{free:.0%} of the disk of {where} is free"
    if free * 100 < least_pct:
        return failed(said, f"make room: less than {least_pct:g} % raises an alert")
    return passed(said)
