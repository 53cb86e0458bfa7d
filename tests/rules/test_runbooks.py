"""Runbooks say what the policy in force says, and promise nothing the system does not do."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import promql_parser
import pytest
from promql_parser import AggregateExpr, VectorSelector

from risk_policy import Policy, PolicyError, audience
from risk_policy.catalogue import advice, runbooks
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.metrics import METRICS
from risk_policy.catalogue.metrics.foreign import FOREIGN
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.contracts.restriction import HELD_BY_ACTION
from risk_policy.vocabulary import Action
from risk_rules.explain import explain
from risk_rules.groups import rule_files
from risk_rules.lint.known import TARGET_LABELS
from risk_rules.lint.tree import name_of, walk
from risk_rules.rule import AlertRule

PolicyWith = Callable[..., Policy]
ROOT = Path(__file__).parents[2]


def test_every_generated_alert_has_the_runbook_its_link_promises(policy: Policy) -> None:
    links = {
        rule.annotations["runbook_url"]
        for groups in rule_files(policy).values()
        for group in groups
        for rule in group.rules
        if isinstance(rule, AlertRule)
    }
    base = policy.alerting.runbooks.base_url
    assert links == {base + name for name in runbooks.names()}
    for name in runbooks.names():
        assert runbooks.render(policy, name).startswith(f"# {name}\n")


#: In this order; what else there may be is optional.
PARTS = (
    "What it watches", "What it means", "Impact", "Who is told", "What the system does",
    "Diagnosis", "What to do", "When to escalate", "PromQL",
)  # fmt: skip
OPTIONAL = (
    "All thresholds of this limit", "While nobody acknowledges it", "If the account was retired",
)  # fmt: skip


def queries(text: str) -> list[str]:
    found = re.findall(r"^```promql\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)
    assert text.count("```") == 2 * len(found)
    return found


@pytest.mark.parametrize("name", runbooks.names())
def test_a_runbook_answers_every_question_and_leaves_no_placeholder(
    name: str, policy: Policy
) -> None:
    text = runbooks.render(policy, name)
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)
    titles, bodies = parts[1::2], parts[2::2]
    assert [title for title in titles if title not in OPTIONAL] == list(PARTS)
    assert all(body.strip() for body in bodies)
    said = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    assert "{" not in said
    assert ".." not in said
    assert policy.digest in text
    for fact in ("limit", "severity", "category", "layer", "action"):
        assert f"\n| {fact} | " in text


KNOWN = {
    sample: {*labels, *TARGET_LABELS}
    for metric in (METRICS | FOREIGN).values()
    for sample, labels in metric.samples.items()
}


def look_through(query: str) -> None:
    """A query parses, and every metric and label in it is one of the catalogue."""
    expression = promql_parser.parse(query)
    selectors = [node for node in walk(expression) if isinstance(node, VectorSelector)]
    assert selectors, query
    labels: set[str] = set()
    for selector in selectors:
        metric = name_of(selector)
        assert metric in KNOWN, query
        assert {each.name for each in selector.matchers.matchers} <= KNOWN[metric], query
        labels |= KNOWN[metric]
    for node in walk(expression):
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            assert set(node.modifier.labels) <= labels, query


@pytest.mark.parametrize("name", runbooks.names())
def test_its_queries_parse_and_ask_for_what_is_there(name: str, policy: Policy) -> None:
    asked = queries(runbooks.render(policy, name))
    assert len(asked) >= 3
    for query in asked:
        look_through(query)


#: What is generated is looked through above, and its rules by the linter.
WRITTEN = [*(ROOT / "docs").glob("*.md"), *(ROOT / "docs/incidents").glob("*.md")]


@pytest.mark.parametrize("path", sorted(WRITTEN), ids=lambda path: path.stem)
def test_every_query_that_a_document_shows_does_too(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for query in re.findall(r"^ *```promql\n(.*?)\n *```$", text, re.DOTALL | re.MULTILINE):
        look_through(query)


def test_advice_is_of_use_to_some_alert_and_says_more_than_a_sentence() -> None:
    limits = {*(limit.name for limit in LIMITS), *(alert.limit for alert in SYSTEM_ALERTS)}
    files = {path.stem for path in Path(advice.__file__).parent.glob("*.md")}
    assert files == {advice.family(limit) for limit in limits}
    written = [advice.advice_on(name) for name in sorted(files)]
    for each in written:
        assert len(each.steps.splitlines()) >= 2
        assert len(each.queries) >= 2
    assert len({each.impact for each in written}) == len(written)


def test_missing_advice_is_named() -> None:
    with pytest.raises(advice.AdviceError, match=r"no advice about weather.*weather\.md"):
        advice.advice_on("weather")


def test_a_runbook_says_what_rules_explain_says(policy: Policy) -> None:
    for name in ("DRAWDOWN_EMERGENCY", "CONSECUTIVE_LOSSES_HALT", "RISK_RECEIVERS_DOWN"):
        text, explained = runbooks.render(policy, name), explain(policy, name)
        for sentence in explained.system:
            assert f"- {sentence}\n" in text
        for each in audience.lines(explained.told, ()):
            assert f"- {each}\n" in text


def test_the_threshold_is_the_one_of_the_policy(policy_with: PolicyWith) -> None:
    before = runbooks.render(policy_with(), "DAILY_LOSS_BREACH")
    changed = policy_with(("daily_loss_breach_pct = 5", "daily_loss_breach_pct = 6.25"))
    after = runbooks.render(changed, "DAILY_LOSS_BREACH")
    assert "below **-5%**" in before
    assert "below **-6.25%**" in after
    assert "-5%" not in after


def test_a_confirmation_time_is_named(policy_with: PolicyWith) -> None:
    assert "at the first evaluation" in runbooks.render(policy_with(), "VAR_BREACH_WARNING")
    confirmed = policy_with(("warning_seconds = 0", "warning_seconds = 20"))
    assert "after 20 s without a break" in runbooks.render(confirmed, "VAR_BREACH_WARNING")


@pytest.mark.parametrize(
    ("mode", "consequence"),
    [
        ("pause", "managed on"),
        ("graceful", "the rest after 30 min"),
        ("immediate", "positions closed at once"),
    ],
)
def test_the_kill_runbook_says_what_its_mode_does(
    mode: str, consequence: str, policy_with: PolicyWith
) -> None:
    edits = () if mode == "immediate" else (('mode = "immediate"', f'mode = "{mode}"'),)
    text = runbooks.render(policy_with(*edits), "DRAWDOWN_EMERGENCY")
    assert f"kill switch in mode {mode}:" in text
    assert consequence in text


def test_only_what_trips_the_kill_switch_is_said_to_be_carried_out(policy: Policy) -> None:
    for limit in LIMITS:
        for spec in limit.alerts:
            text = runbooks.render(policy, spec.name)
            assert ("Trips the kill switch in mode" in text) is spec.action.trips_kill_switch
            holds = spec.action in HELD_BY_ACTION
            assert ("Holds the gate for what the alert is about" in text) is holds
            asked = spec.action not in (Action.LOG, Action.NOTIFY)
            is_asked = asked and not (spec.action.trips_kill_switch or holds)
            assert ("that is up to people" in text) is is_asked
    assert not [alert for alert in SYSTEM_ALERTS if alert.action is Action.KILL_SWITCH]


def test_an_unknown_alert_is_named_together_with_the_known_ones(policy: Policy) -> None:
    with pytest.raises(KeyError) as caught:
        runbooks.render(policy, "DRAWDOWN_EMERGENZY")
    assert isinstance(caught.value, PolicyError)
    assert str(caught.value).startswith("there is no alert 'DRAWDOWN_EMERGENZY'; known are: ")
    assert "DRAWDOWN_EMERGENCY" in str(caught.value)
