"""The go-live checklist: every line in one table, in the order in which they are gone through.

Invariant: a line passes only if it was seen to be so. What raises, cannot be asked or does not
answer is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, cast

import typer

from risk_policy.catalogue import runbooks
from risk_policy.contracts.golive import Outcome
from risk_policy.disk import free_ratio
from risk_policy.vocabulary import KillMode
from risk_receivers.shapes.channels import Trial
from risk_receivers.shapes.security import KeyAge
from risk_receivers.shapes.system import TripPreview
from risk_receivers.shapes.users import User
from riskwarden.commands.channel_health import TEST_SECONDS
from riskwarden.golive import (
    certificates,
    clocks,
    evidence,
    looking,
    people,
    protection,
    record,
    second_way,
)
from riskwarden.golive import running as r
from riskwarden.golive.finding import Finding, Line, NotKnownError, not_known, passed
from riskwarden.golive.ground import Ground
from riskwarden.golive.vouched import VOUCHED, vouched
from riskwarden.safety_snapshot.discreet import discretion

#: A kill that somebody asks about before going live closes everything: so that is what is shown.
_MODE: Final = KillMode.IMMEDIATE
_PARTS: Final = ("receivers", "exporter", "rules")


@dataclass(frozen=True, slots=True)
class Check:
    """One line.

    Attributes:
        title: what has to be so.
        look: looks, and judges. Raises NotKnownError.
    """

    group: str
    title: str
    look: Callable[[Ground], Finding]


def _gate(ground: Ground) -> Finding:
    return r.gate(ground.status, ground.snapshot.gate if ground.is_here else None)


def _dry_run(ground: Ground) -> Finding:
    body = {
        "mode": _MODE.value,
        "reason": "go-live checklist: the first step alone, nothing is tripped",
        "actor": ground.author,
    }
    said = ground.ask("POST", "/api/v1/system/kill-switch", body)
    return r.dry_run(cast("TripPreview", said), _MODE.value)


def _policy(ground: Ground) -> Finding:
    digest = ground.policy.digest
    said = looking.policies_said(ground)
    if "receivers" not in said or ground.status["policy_digest"] != digest:
        said["receivers"] = ground.status["policy_digest"]
    return r.policy_in_force(digest, said, _PARTS)


def _rules(ground: Ground) -> Finding:
    found = r.rules(looking.wanted_rules(ground.policy), looking.rules_in_force(ground))
    if found.outcome is not Outcome.PASSED:
        return found
    return r.phase(found, looking.alignment_of(ground))


def _routes(ground: Ground) -> Finding:
    return _of_every_alertmanager(
        ground, lambda at: r.routes(ground.policy.digest, looking.routes_in_force(ground, at))
    )


def _delivery(ground: Ground) -> Finding:
    down, count, told = looking.targets(ground)
    wanted = [
        *(("the receivers", at) for at in ground.every_receivers),
        *(("Alertmanager", at) for at in ground.every_alertmanager),
    ]
    return r.delivery(down, told, wanted, targets=count)


def _disk(ground: Ground) -> Finding:
    ground.require_folder()
    least = ground.policy.alerting.system.disk_free_warning_pct
    return _of_all(r.disk(free_ratio(one), least, str(one)) for one in record.folders(ground))


def _trial(ground: Ground) -> Finding:
    body = {"author": f"{ground.author} (go-live checklist)"[:100], "channels": []}
    said = ground.ask("POST", "/api/v1/channels/test", body, patience_seconds=TEST_SECONDS)
    return people.trial(cast("list[Trial]", said["results"]))


def _second_way(ground: Ground) -> Finding:
    enabled = second_way.enabled(ground)
    return _of_every_alertmanager(
        ground, lambda at: people.without_receivers(second_way.ways(ground, at), enabled)
    )


def _of_every_alertmanager(ground: Ground, look: Callable[[str], Finding]) -> Finding:
    found = ((at, look(at)) for at in ground.every_alertmanager)
    if len(ground.every_alertmanager) == 1:
        return _of_all(one for _, one in found)
    return _of_all(replace(one, seen=f"{at}: {one.seen}") for at, one in found)


def _of_all(findings: Iterable[Finding]) -> Finding:
    """The first that is not as it should be; or what was seen of all."""
    seen = []
    for one in findings:
        if one.outcome is not Outcome.PASSED:
            return one
        seen.append(one.seen)
    return passed("; ".join(seen))


def _second_factor(ground: Ground) -> Finding:
    alerting = ground.policy.alerting
    users = cast("list[User]", ground.ask("GET", "/api/v1/users")["users"])
    auth = alerting.dashboard.auth
    return people.second_factor(
        users,
        alerting.permissions.table(),
        can_log_in=auth.enabled and auth.type == "basic",
        needs_totp=alerting.kill_switch.needs_totp,
    )


def _console(ground: Ground) -> Finding:
    alerting = ground.policy.alerting
    url = alerting.golive.console_url.rstrip("/")
    urls = [ground.receivers_url, *([url] if url else [])]
    pages = ground.pages([f"{one}{path}" for one in urls for path in ("/", "/login")])
    return people.console(pages, enabled=alerting.dashboard.enabled)


def _runbooks(ground: Ground) -> Finding:
    base = ground.policy.alerting.runbooks.base_url
    at = ground.layout.read_endpoints()
    if at is not None:  # the local stack's receivers, and with them its links, go to a free port
        base = base.replace(
            f"//{ground.policy.alerting.endpoints.receivers}/", f"//{at.receivers}/"
        )
    return people.runbooks(ground.pages([f"{base}{name}" for name in runbooks.names()]))


def _chain(ground: Ground) -> Finding:
    found, witnessed = record.verified(ground)
    return evidence.chain(found, witnessed=witnessed)


def _backup(ground: Ground) -> Finding:
    found = record.rehearsed(ground)
    return found if isinstance(found, Finding) else evidence.backup(found)


def _drills(ground: Ground) -> Finding:
    days = ground.policy.alerting.golive.drill_days
    return evidence.drills(ground.snapshot.drills, ground.clock(), days)


def _clock(ground: Ground) -> Finding:
    alerting = ground.policy.alerting
    return evidence.clock(
        clocks.clocks(ground),
        most_seconds=alerting.golive.clock_offset_milliseconds / 1000,
        most_apart_seconds=alerting.system.clock_skew_seconds,
    )


def _tls(ground: Ground) -> Finding:
    return protection.tls(ground.policy.alerting, certificates.shown(ground), ground.clock())


def _secrets(ground: Ground) -> Finding:
    least = ground.policy.alerting.golive.secret_characters
    return protection.secrets(looking.held_secrets(ground), least)


def _ages(ground: Ground) -> Finding:
    return protection.ages(cast("list[KeyAge]", ground.ask("GET", "/api/v1/security")["secrets"]))


def _vouched(name: str, ground: Ground) -> Finding:
    return vouched(name, ground.author, ground.vouched.get(name))


_RUNS, _PEOPLE, _RECORD = "What runs", "People", "The record and rehearsals"
_STRANGERS, _WORD = "Strangers kept out", "What somebody vouches for"

#: Every line, by the name under which it is skipped.
CHECKS: Final[Mapping[str, Check]] = {
    "receivers": Check(_RUNS, "the receivers are ready", lambda g: r.receivers(g.status)),
    "policy": Check(_RUNS, "every part runs on this policy", _policy),
    "rules": Check(_RUNS, "Prometheus evaluates the policy's rules", _rules),
    "alertmanager": Check(_RUNS, "Alertmanager runs the policy's routes", _routes),
    "delivery": Check(_RUNS, "alerts reach machines and people", _delivery),
    "runtime": Check(
        _RUNS, "the runtime tells of its accounts", lambda g: r.runtime(g.snapshot.gating)
    ),
    "gate": Check(_RUNS, "the gate is fresh and open", _gate),
    "kill-switch": Check(_RUNS, "the kill switch is armed", lambda g: r.kill_switch(g.status)),
    "kill-dry-run": Check(_RUNS, "a kill is rehearsed dry, up to its first step", _dry_run),
    "open-alerts": Check(_RUNS, "nothing urgent is open", lambda g: r.quiet_now(g.status)),
    "disk": Check(_RUNS, "there is room to keep the record", _disk),
    "test-alert": Check(_PEOPLE, "a test arrives through every channel", _trial),
    "channels": Check(_PEOPLE, "every channel works", lambda g: people.channels(g.channels)),
    "dead-letters": Check(
        _PEOPLE, "no message was given up", lambda g: people.dead_letters(g.channels)
    ),
    "on-call": Check(
        _PEOPLE, "somebody is told at any hour", lambda g: people.on_call(g.policy, g.clock())
    ),
    "second-way": Check(_PEOPLE, "people are told of dead receivers", _second_way),
    "console": Check(_PEOPLE, "the console opens", _console),
    "runbooks": Check(_PEOPLE, "every alert's runbook opens", _runbooks),
    "audit-chain": Check(_RECORD, "the audit chain verifies", _chain),
    "backup": Check(_RECORD, "a backup is taken, restored elsewhere and verified", _backup),
    "drills": Check(_RECORD, "every drill passed of late", _drills),
    "clock": Check(_RECORD, "clocks are right, and alike", _clock),
    "tls": Check(_STRANGERS, "nothing can be read on its way", _tls),
    "secrets": Check(_STRANGERS, "no secret is weak, shared or open", _secrets),
    "secret-age": Check(_STRANGERS, "no secret is too old", _ages),
    "second-factor": Check(_STRANGERS, "whoever may clear has an authenticator", _second_factor),
} | {name: Check(_WORD, title, partial(_vouched, name)) for name, title in VOUCHED.items()}


def go_through(
    ground: Ground, skipped: Mapping[str, str], begin: Callable[[str], None] = lambda _: None
) -> Iterator[Line]:
    """Every line, as it is done; ``begin`` is told of each before.

    ``skipped`` says why a line is not looked at. No text of a line holds a secret that is known.
    """
    discreet = discretion(ground.policy, ground.layout.secrets, ground.secrets_environment())
    for name, check in CHECKS.items():
        begin(name)
        because = skipped.get(name, ground.vouched.get(name, ""))
        if name in skipped:
            finding = Finding(Outcome.SKIPPED, f"not looked at: {because}", "look at it yourself")
        else:
            finding = _looked(check, ground)
        told = Finding(
            finding.outcome, discreet.applied(finding.seen), discreet.applied(finding.to_do)
        )
        yield Line(name, check.group, check.title, told, discreet.applied(because))


def _looked(check: Check, ground: Ground) -> Finding:
    try:
        return check.look(ground)
    except NotKnownError as error:
        return not_known(error.seen, error.to_do)
    except typer.Exit:  # the request itself makes no sense, and why was said
        raise
    except Exception as error:  # noqa: BLE001 - one line that breaks must not hide all others
        return not_known(
            f"it could not be looked at: {type(error).__name__}: {error}", "report this fault"
        )
