"""Everything that the go-live checklist looks at, as it is when nothing stands in the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from risk_policy import Policy, parse_policy
from risk_policy.contracts.gating import LiveOrders, ToldGating, TradingEnvironment
from risk_policy.contracts.safety_snapshot import DrillRun, GateStatus
from risk_policy.contracts.safety_snapshot_parts import AccountGates
from risk_policy.vocabulary import KillMode
from risk_receivers.audit.chain import Head, TreeHead
from risk_receivers.audit.merkle import EMPTY_ROOT
from risk_receivers.audit.verifier import Finding as Problem
from risk_receivers.audit.verifier import Verification
from risk_receivers.shapes.channels import Channel, Trial
from risk_receivers.shapes.security import KeyAge
from risk_receivers.shapes.system import Status, TripPreview
from risk_receivers.shapes.users import User
from riskwarden.golive import evidence, people, protection
from riskwarden.golive import running as r
from riskwarden.golive.evidence import Clocks, Rehearsed
from riskwarden.golive.finding import Finding
from riskwarden.golive.people import Page, Way
from riskwarden.golive.protection import Certificate, HeldSecret
from riskwarden.golive.running import RoutesInForce, Rule, RulesInForce
from riskwarden.golive.vouched import VOUCHED, vouched

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
DIGEST = "a" * 64
READY_POLICY = """
[alerting.channels.email]
enabled = true
smtp_host = "mail.example.com"
to_addresses = ["desk@example.com"]
[alerting.channels.sms]
enabled = true
min_severity = "CRITICAL"
from_number = "+15005550006"
to_numbers = ["+15005550007"]
"""
ENVIRON = {"TWILIO_ACCOUNT_SID": "AC0123", "TWILIO_AUTH_TOKEN": "nTq0Zk3rW8yLsvB1xGmPd7"}
RULE = Rule("risk", "alert", "DRAWDOWN_EMERGENCY", "dd > 0.2", 0.0)


def policy_of(*edits: tuple[str, str], more: str = "") -> Policy:
    text = READY_POLICY
    for old, new in edits:
        assert old in text
        text = text.replace(old, new)
    return parse_policy((text + more).encode(), environ=ENVIRON)


def status_of(**changes: Any) -> Status:
    found: dict[str, Any] = {
        "ready": True,
        "problems": [],
        "kill_switch": {"state": "ARMED", "kills": [], "on_record": True},
        "gate": {"open": True, "halted": False, "lease_remaining_seconds": 2.6,
                 "lease_withheld": []},
        "restrictions": [],
        "incidents_open": {"warning": 2, "critical": 0, "emergency": 0},
        "audit": {"size": 120},
    }  # fmt: skip
    for name, change in changes.items():
        found[name] = {**found[name], **change} if isinstance(change, dict) else change
    return cast("Status", found)


def channel(name: str, **changes: Any) -> Channel:
    found = {"name": name, "enabled": True, "up": True, "late": False, "fallback": [],
             "dead_letters": 0, **changes}  # fmt: skip
    return cast("Channel", found)


def user(name: str, *roles: str, **changes: Any) -> User:
    found = {"name": name, "roles": list(roles), "disabled": False, "has_totp": True, **changes}
    return cast("User", found)


def gate_of(**changes: Any) -> GateStatus:
    found: dict[str, Any] = {
        "folder": "/srv/riskwarden/gate", "state": "open", "adds_risk": "allowed", "reason": "",
        "version": 7, "lease_seconds": 2.6, "longest_lease_seconds": 3.0, "kill_order": False,
        "published_at": NOW, **changes,
    }  # fmt: skip
    return GateStatus.model_validate(found)


def account(name: str = "main", *, is_current: bool = True) -> AccountGates:
    return AccountGates(
        account=name,
        told=ToldGating(mode=TradingEnvironment.LIVE),
        effective_mode="live_dry_run",
        live_orders=LiveOrders.IMPOSSIBLE,
        refusals=(),
        untold=(),
        told_at=NOW,
        age_seconds=1.0,
        is_current=is_current,
        whence=("exporter",),
        currency="EUR",
        equity=100_000.0,
    )


def drill(scenario: str, *, result: Any = "PASS", days_ago: float | None = 3.0) -> DrillRun:
    ended = None if days_ago is None else NOW - timedelta(days=days_ago)
    return DrillRun(scenario=scenario, title=scenario, result=result, ended_at=ended)


def verification(problem: str = "", *, signed: int = 120) -> Verification:
    found = (Problem(7, problem),) if problem else ()
    return Verification(
        ok=not problem,
        events=120,
        head=Head(120, DIGEST),
        problems=found,
        problem_count=len(found),
        warnings=(),
        warning_count=0,
        tree=TreeHead(0, EMPTY_ROOT),
        signed=signed,
        key="",
        deleted=0,
    )


_RULES = RulesInForce(frozenset({RULE}))
_ROUTES = RoutesInForce("alertmanager.yml", DIGEST, 7.0, 7.0, loaded=True)
_CLOCKS = Clocks("", None, kept=True, may_be_off_seconds=0.004, apart_seconds={"the receivers": 0})


@dataclass(frozen=True)
class World:
    """What was seen."""

    policy: Policy = field(default_factory=policy_of)
    status: Status = field(default_factory=status_of)
    said: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(("receivers", "exporter", "rules"), DIGEST)
    )
    rules: RulesInForce = _RULES
    routes: RoutesInForce = _ROUTES
    down: Sequence[str] = ()
    ways: Sequence[Way] = (Way("email"),)
    policy_ways: Sequence[str] = ("email",)
    told: Sequence[str] = ("127.0.0.1:9465", "127.0.0.1:9493")
    accounts: Sequence[AccountGates] = field(default_factory=lambda: (account(),))
    gate: GateStatus = field(default_factory=gate_of)
    preview: Mapping[str, Any] = field(
        default_factory=lambda: {"mode": "immediate", "steps": ["closed"], "positions": []}
    )
    disk: float | None = 0.5
    trials: Sequence[Mapping[str, Any]] = (
        {"channel": "email", "confirmed": True, "error": None},
        {"channel": "sms", "confirmed": True, "error": None},
    )
    channels: Sequence[Channel] = field(
        default_factory=lambda: (channel("email"), channel("sms"), channel("slack", enabled=False))
    )
    dead: Sequence[Channel] = field(default_factory=lambda: (channel("email"),))
    pages: Sequence[Page] = (Page("http://127.0.0.1:9465/", 200),)
    runbooks: Sequence[Page] = (Page("http://127.0.0.1:9465/runbooks/X", 200),)
    users: Sequence[User] = field(default_factory=lambda: (user("ann", "admin"),))
    chain: Verification = field(default_factory=verification)
    witnessed: int | None = 40
    backup: Rehearsed = field(
        default_factory=lambda: Rehearsed(Head(120, DIGEST), 4096, verification(), 0.3)
    )
    drills: Sequence[DrillRun] = field(
        default_factory=lambda: (drill("kill-immediate"), drill("receivers-killed"))
    )
    clocks: Clocks = _CLOCKS
    certificate: Certificate | None = None
    secrets: Sequence[HeldSecret] = (
        HeldSecret("alerting.auth.operator_token", "nTq0Zk3rW8yLsvB1xGmPd7EuCjAhRfQo"),
        HeldSecret(
            "alerting.auth.runtime_token", "4vYp2KxWnR9sTqLd6HfJcMbGzAeUiXo0", Path("/run/x"), 0o600
        ),
    )
    ages: Sequence[Mapping[str, Any]] = ({"secret": "alerting.auth.x", "overdue": False},)
    vouched: Mapping[str, str] = field(
        default_factory=lambda: dict.fromkeys(VOUCHED, "minutes of 2026-11-20")
    )


def _of(name: str) -> Callable[[World], Finding]:
    return lambda w: vouched(name, "olga", w.vouched.get(name))


#: Every line, judged by what was seen.
JUDGED: Mapping[str, Callable[[World], Finding]] = {
    "receivers": lambda w: r.receivers(w.status),
    "policy": lambda w: r.policy_in_force(DIGEST, w.said, ("receivers", "exporter", "rules")),
    "rules": lambda w: r.rules(frozenset({RULE}), w.rules),
    "alertmanager": lambda w: r.routes(DIGEST, w.routes),
    "delivery": lambda w: r.delivery(
        w.down, w.told, [("the receivers", "127.0.0.1:9465"), ("Alertmanager", "127.0.0.1:9493")],
        targets=3,
    ),
    "runtime": lambda w: r.runtime(w.accounts),
    "gate": lambda w: r.gate(w.status, w.gate),
    "kill-switch": lambda w: r.kill_switch(w.status),
    "kill-dry-run": lambda w: r.dry_run(
        cast("TripPreview", {"unknown": "no answer", **w.preview}), KillMode.IMMEDIATE.value
    ),
    "open-alerts": lambda w: r.quiet_now(w.status),
    "disk": lambda w: r.disk(w.disk, 10, "/srv"),
    "test-alert": lambda w: people.trial(cast("list[Trial]", w.trials)),
    "channels": lambda w: people.channels(w.channels),
    "dead-letters": lambda w: people.dead_letters(w.dead),
    "on-call": lambda w: people.on_call(w.policy, NOW),
    "second-way": lambda w: people.without_receivers(w.ways, w.policy_ways),
    "console": lambda w: people.console(w.pages, enabled=w.policy.alerting.dashboard.enabled),
    "runbooks": lambda w: people.runbooks(w.runbooks),
    "audit-chain": lambda w: evidence.chain(w.chain, witnessed=w.witnessed),
    "backup": lambda w: evidence.backup(w.backup),
    "drills": lambda w: evidence.drills(w.drills, NOW, 90),
    "clock": lambda w: evidence.clock(w.clocks, most_seconds=0.5, most_apart_seconds=2),
    "tls": lambda w: protection.tls(w.policy.alerting, w.certificate, NOW),
    "secrets": lambda w: protection.secrets(w.secrets, 24),
    "secret-age": lambda w: protection.ages(cast("list[KeyAge]", w.ages)),
    "second-factor": lambda w: people.second_factor(
        w.users,
        w.policy.alerting.permissions.table(),
        can_log_in=w.policy.alerting.dashboard.auth.enabled,
        needs_totp=w.policy.alerting.kill_switch.needs_totp,
    ),
    **{name: _of(name) for name in VOUCHED},
}  # fmt: skip
