"""Every line of the go-live checklist: what spoils it alone, and what is said then."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from ready_to_go_live import (
    JUDGED,
    NOW,
    RULE,
    World,
    account,
    channel,
    drill,
    gate_of,
    policy_of,
    status_of,
    user,
    verification,
)

from risk_policy.contracts.golive import Outcome
from risk_receivers.audit.chain import Head
from riskwarden.golive.checklist import CHECKS
from riskwarden.golive.evidence import Rehearsed
from riskwarden.golive.people import Page, Way
from riskwarden.golive.protection import Certificate, HeldSecret
from riskwarden.golive.running import RoutesInForce, RulesInForce
from riskwarden.golive.vouched import VOUCHED

FAILED, NOT_KNOWN = Outcome.FAILED, Outcome.NOT_KNOWN
OTHER = "b" * 64
BEHIND_PROXY = policy_of(more="[alerting.dashboard.tls]\nat_proxy = true\n")
PLAIN_MAIL = "enabled = true\nuse_tls = false\nsmtp"
HERE = "alerting.auth.operator_token"
GOOD = "nTq0Zk3rW8yLsvB1xGmPd7EuCjAhRfQo"


def held(name: str, value: str | None, **more: Any) -> HeldSecret:
    return HeldSecret(name, value, **more)


def cert(days: float, distrust: str = "") -> Certificate:
    return Certificate("https://desk", NOW + timedelta(days=days), "", distrust)


def clocks(**changes: Any) -> dict[str, Any]:
    return {"clocks": replace(World().clocks, **changes)}


#: What is otherwise, which line it spoils and how, and what is seen.
SPOILT: list[tuple[str, Outcome, dict[str, Any], str]] = [
    ("receivers", FAILED, {"status": status_of(ready=False)}, "not ready"),
    ("receivers", FAILED, {"status": status_of(problems=["the store"])}, "the store"),
    ("policy", FAILED, {"said": {**World().said, "exporter": OTHER}}, "exporter bbbb"),
    ("policy", NOT_KNOWN, {"said": {"receivers": "a" * 64, "rules": "a" * 64}}, "exporter"),
    ("rules", FAILED, {"rules": RulesInForce(frozenset())}, "risk/DRAWDOWN_EMERGENCY"),
    ("rules", FAILED,
     {"rules": RulesInForce(frozenset({replace(RULE, expression="dd > 0.9")}))}, "not evaluated"),
    ("rules", FAILED, {"rules": RulesInForce(frozenset({RULE, replace(RULE, name="X")}))},
     "of no policy: risk/X"),
    ("rules", FAILED, {"rules": RulesInForce(frozenset({RULE}), ("risk/X: err",))}, "risk/X: err"),
    ("alertmanager", FAILED, {"routes": RoutesInForce("f", OTHER, 7, 7, loaded=True)}, "bbbb"),
    ("alertmanager", FAILED, {"routes": RoutesInForce("f", None, 7, 7, loaded=True)}, "no policy"),
    ("alertmanager", FAILED, {"routes": RoutesInForce("f", "a" * 64, 7, 8, loaded=True)}, "else"),
    ("alertmanager", FAILED, {"routes": RoutesInForce("f", "a" * 64, 7, 7, loaded=False)},
     "refused"),
    ("alertmanager", NOT_KNOWN, {"routes": RoutesInForce("f", "a" * 64, 7, None, loaded=None)},
     "does not say"),
    ("delivery", FAILED, {"down": ["exporter 127.0.0.1:9464"]}, "exporter"),
    ("delivery", FAILED, {"told": ["127.0.0.1:9493"]}, "the receivers at 127.0.0.1:9465"),
    ("delivery", FAILED, {"told": ["127.0.0.1:9465"]}, "Alertmanager at"),
    ("runtime", NOT_KNOWN, {"accounts": ()}, "no runtime"),
    ("runtime", FAILED, {"accounts": (account(), account("b", is_current=False))}, "of b is too"),
    ("gate", FAILED, {"status": status_of(gate={"open": False})}, "closed"),
    ("gate", FAILED, {"status": status_of(gate={"lease_withheld": ["Prometheus is silent"]})},
     "Prometheus is silent"),
    ("gate", FAILED, {"status": status_of(gate={"lease_remaining_seconds": 0.0})}, "ended"),
    ("gate", FAILED, {"gate": gate_of(state="stale", adds_risk="refused", reason="old")}, "stale"),
    ("gate", FAILED, {"gate": gate_of(kill_order=True)}, "the order KILL"),
    ("kill-switch", FAILED, {"status": status_of(kill_switch={"state": "DISARMED"})}, "DISARMED"),
    ("kill-switch", FAILED,
     {"status": status_of(kill_switch={"kills": [{"scope": "*", "cause": "drawdown"}]})},
     "*: drawdown"),
    ("kill-switch", NOT_KNOWN, {"status": status_of(kill_switch={"on_record": False})}, "record"),
    ("kill-dry-run", FAILED, {"preview": {"mode": "pause", "steps": ["x"], "positions": []}},
     "does not say"),
    ("kill-dry-run", NOT_KNOWN,
     {"preview": {"mode": "immediate", "steps": ["x"], "positions": None}}, "no answer"),
    ("open-alerts", FAILED, {"status": status_of(incidents_open={"emergency": 1})}, "1 emergency"),
    ("open-alerts", FAILED, {"status": status_of(incidents_open={"critical": 2})}, "2 critical"),
    ("open-alerts", FAILED, {"status": status_of(restrictions=[{"cause": "VAR"}])}, "VAR"),
    ("open-alerts", NOT_KNOWN, {"status": status_of(incidents_open=None)}, "store"),
    ("disk", FAILED, {"disk": 0.08}, "8%"),
    ("disk", NOT_KNOWN, {"disk": None}, "not known"),
    ("test-alert", FAILED, {"trials": [{"channel": "sms", "confirmed": False, "error": "no"}]},
     "sms: no"),
    ("test-alert", FAILED, {"trials": []}, "no channel"),
    ("channels", FAILED, {"channels": [channel("email", up=False)]}, "nobody takes over"),
    ("channels", FAILED, {"channels": [channel("email"), channel("sms", late=True)]}, "sms late"),
    ("channels", NOT_KNOWN, {"channels": [channel("email", up=None)]}, "not tried"),
    ("channels", FAILED, {"channels": [channel("email", enabled=False)]}, "no channel"),
    ("dead-letters", FAILED, {"dead": [channel("email", dead_letters=3)]}, "3 of email"),
    ("on-call", FAILED, {"policy": policy_of(('"CRITICAL"', '"EMERGENCY"'))}, "critical: told by"),
    ("on-call", FAILED,
     {"policy": policy_of(more="[alerting.business_hours]\nenabled = true\n"
                               'severities = ["INFO", "CRITICAL"]\n')}, "business_hours"),
    ("on-call", FAILED,
     {"policy": policy_of(more="[alerting.mute_times.lunch]\nseverities = ['CRITICAL']\n"
                               "times = ['12:00-13:00']\n")}, "mute_times.lunch"),
    ("on-call", FAILED, {"policy": policy_of(more="[alerting]\nenabled = false\n")}, "enabled"),
    ("second-way", FAILED, {"ways": ()}, "nobody would be told that the receivers are dead"),
    ("second-way", FAILED, {"ways": (), "policy_ways": ("telegram",)}, "not by telegram"),
    ("second-way", FAILED, {"ways": (Way("email"), Way("slack", missing="/run/x is empty"))},
     "slack: /run/x is empty"),
    ("second-way", NOT_KNOWN, {"ways": (Way("slack", unseen="secrets/x"),)}, "finds secrets/x"),
    ("console", FAILED, {"pages": [Page("https://desk/", None, "refused")]}, "refused"),
    ("console", FAILED, {"pages": [Page("https://desk/", 502)]}, "502"),
    ("console", FAILED, {"policy": policy_of(more="[alerting.dashboard]\nenabled = false\n")},
     "dashboard.enabled"),
    ("runbooks", FAILED, {"runbooks": [Page("https://desk/X", 404)]}, "404"),
    ("audit-chain", FAILED, {"chain": verification("was changed")}, "record 7: was changed"),
    ("audit-chain", FAILED, {"chain": verification(signed=0)}, "none is signed"),
    ("audit-chain", NOT_KNOWN, {"witnessed": None}, "Prometheus does not say"),
    ("backup", FAILED,
     {"backup": Rehearsed(Head(9, OTHER), 1, verification("is missing"), 0.1)}, "is missing"),
    ("drills", FAILED, {"drills": [drill("kill-pause"), drill("data-gap", result="FAIL")]},
     "data-gap"),
    ("drills", FAILED, {"drills": [drill("kill-pause", days_ago=91)]}, "longer ago than 90"),
    ("drills", NOT_KNOWN, {"drills": [drill("a"), drill("b", result=None, days_ago=None)]}, "b"),
    ("drills", FAILED, {"drills": []}, "no drill"),
    ("clock", FAILED, clocks(kept=False), "nobody keeps"),
    ("clock", FAILED, clocks(may_be_off_seconds=0.6), "0.600 s off"),
    ("clock", FAILED, clocks(apart_seconds={"Prometheus": -2.5}), "Prometheus is -2.500 s"),
    ("clock", FAILED, clocks(server="ntp", offset_seconds=-0.7), "-700.0 ms from ntp"),
    ("clock", NOT_KNOWN, clocks(server="ntp"), "ntp does not answer"),
    ("clock", NOT_KNOWN, clocks(kept=None), "kernel does not say"),
    ("clock", NOT_KNOWN, clocks(apart_seconds={}), "no other part"),
    ("tls", NOT_KNOWN, {"policy": BEHIND_PROXY}, "proxy"),
    ("tls", FAILED, {"policy": BEHIND_PROXY, "certificate": cert(13)}, "until 2026-12-05"),
    ("tls", FAILED, {"policy": BEHIND_PROXY, "certificate": cert(90, "self-signed")},
     "self-signed"),
    ("tls", FAILED, {"policy": BEHIND_PROXY, "certificate": Certificate("https://d", None, "gone")},
     "gone"),
    ("tls", FAILED, {"policy": policy_of(("enabled = true\nsmtp", PLAIN_MAIL))}, "mails"),
    ("tls", NOT_KNOWN,
     {"policy": policy_of(more='[alerting.high_availability]\npeers = ["10.0.0.2:9465"]\n')},
     "to 10.0.0.2:9465 without TLS"),
    ("tls", NOT_KNOWN,
     {"policy": policy_of(more='[alerting.endpoints]\nalertmanager = "watch.lan:9493"\n')},
     "to watch.lan:9493 without TLS"),
    ("secrets", FAILED, {"secrets": [held(HERE, "changeme")]}, "fewer than 24"),
    ("secrets", FAILED, {"secrets": [held(HERE, "a1B2" * 8)]}, "different"),
    ("secrets", FAILED, {"secrets": [held(HERE, "riskwarden-admin-secret-2026")]}, "tries first"),
    ("secrets", FAILED, {"secrets": [held("alerting.channels.email.password", "x")]}, "too short"),
    ("secrets", FAILED,
     {"secrets": [held(HERE, GOOD), held("alerting.auth.runtime_token", GOOD)]},
     f"{HERE} and alerting.auth.runtime_token"),
    ("secrets", FAILED, {"secrets": [held(HERE, GOOD, file=Path("/s"), mode=0o100640)]}, "(/s)"),
    ("secrets", NOT_KNOWN, {"secrets": [held(HERE, None)]}, "not to be had"),
    ("secret-age", FAILED, {"ages": [{"secret": "x", "overdue": True}]}, "x"),
    ("secret-age", NOT_KNOWN, {"ages": [{"secret": "x", "overdue": None}]}, "nobody knows"),
    ("secret-age", NOT_KNOWN, {"ages": []}, "no secret"),
    ("second-factor", FAILED, {"users": []}, "nobody who may clear"),
    ("second-factor", FAILED, {"users": [user("bo", "auditor")]}, "nobody who may clear"),
    ("second-factor", FAILED,
     {"users": [user("ann", "admin"), user("bo", "risk_manager", has_totp=False)]}, "bo"),
    *((name, NOT_KNOWN, {"vouched": {one: "x" for one in VOUCHED if one != name}}, "no program")
      for name in VOUCHED),
]  # fmt: skip


def outcomes(world: World) -> dict[str, Outcome]:
    return {name: judge(world).outcome for name, judge in JUDGED.items()}


def test_when_nothing_stands_in_the_way_every_line_passes() -> None:
    assert list(JUDGED) == list(CHECKS)
    assert {name: one for name, one in outcomes(World()).items() if one is not Outcome.PASSED} == {}


def test_every_line_can_end_otherwise_than_well() -> None:
    assert {name for name, *_ in SPOILT} == set(CHECKS)


@pytest.mark.parametrize(
    ("name", "outcome", "change", "seen"), SPOILT, ids=[f"{n}-{s[:20]}" for n, _, _, s in SPOILT]
)
def test_what_spoils_a_line_spoils_that_line_alone_and_says_what_to_do(
    name: str, outcome: Outcome, change: dict[str, Any], seen: str
) -> None:
    world = replace(World(), **change)
    spoilt = {one: how for one, how in outcomes(world).items() if how is not Outcome.PASSED}
    assert spoilt == {name: outcome}
    finding = JUDGED[name](world)
    assert seen in finding.seen
    assert finding.to_do


@pytest.mark.parametrize(
    "change",
    [
        {"policy": BEHIND_PROXY, "certificate": cert(15)},
        {"users": [user("ann", "admin"), user("bo", "admin", has_totp=False, disabled=True)]},
        {"users": [user("ann", "admin"), user("bo", "auditor", has_totp=False)]},
        {"users": [], "policy": policy_of(more="[alerting.kill_switch]\nneeds_totp = true\n")},
        {"policy": policy_of(more="[alerting.mute_times.x]\nseverities = ['CRITICAL']\n"
                                  "start = 2026-11-20T22:00:00\nend = 2026-11-21T02:00:00\n")},
        {"secrets": [held("alerting.auth.snapshot_token", GOOD),
                     held("alerting.auth.runtime_token", GOOD)]},
        clocks(server="ntp", offset_seconds=0.4, kept=False),
        {"rules": RulesInForce(frozenset({RULE, replace(RULE, group="others")}))},
    ],
    ids=["certificate", "disabled", "auditor", "shared code", "over", "one token", "ntp", "others"],
)  # fmt: skip
def test_what_is_allowed_spoils_nothing(change: dict[str, Any]) -> None:
    spoilt = outcomes(replace(World(), **change))
    assert set(spoilt.values()) == {Outcome.PASSED}


def test_no_finding_about_secrets_holds_one() -> None:
    values = ["changeme", "changeme" * 4, GOOD]
    for value in values:
        for name in (HERE, "alerting.channels.slack.webhook_url"):
            secrets = [held(name, value), held("alerting.auth.runtime_token", value)]
            finding = JUDGED["secrets"](replace(World(), secrets=secrets))
            assert value not in finding.seen + finding.to_do + repr(secrets)
