"""What a silence mutes and acknowledges: Alertmanager's semantics, and our own rules on top."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.acks.guard import excess
from risk_receivers.acks.silences import (
    TIERS,
    Breach,
    Matcher,
    ack_matchers,
    acknowledged,
    mutes,
    worse_muted,
)

_VALUES = st.sampled_from(["", "a", "b", "ab", "a/b"])
_LABELS = st.dictionaries(st.sampled_from(["risk_id", "tier", "x"]), _VALUES)
_PLAIN = st.builds(
    Matcher, st.sampled_from(["risk_id", "tier", "x"]), _VALUES, st.just(False), st.booleans()
)
_REGEX = st.builds(
    Matcher,
    st.sampled_from(["risk_id", "tier", "x"]),
    st.sampled_from(["", "a", "a|b", "a.*", ".+", ".*", "(a|b)+", "[ab]", "a/?b"]),
    st.just(True),
    st.booleans(),
)


def breach(tier: str, risk_id: str = "drawdown/main", **labels: str) -> Breach:
    every = {"alertname": "DRAWDOWN", "risk_id": risk_id, "severity": tier, "account": "main"}
    return Breach(risk_id, tier, {**every, **({"tier": tier} if tier else {}), **labels}, risk_id)


def on(*matchers: str) -> tuple[Matcher, ...]:
    """Matchers as amtool writes them."""
    found = []
    for text in matchers:
        parts = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', text)
        assert parts is not None
        name, operator, value = parts.groups()
        found.append(Matcher(name, value, "~" in operator, "!" not in operator))
    return tuple(found)


@given(st.lists(st.one_of(_PLAIN, _REGEX), min_size=1, max_size=3), _LABELS)
def test_every_matcher_must_hold_and_a_missing_label_is_empty(
    matchers: list[Matcher], labels: dict[str, str]
) -> None:
    def holds(matcher: Matcher) -> bool:
        value = labels.get(matcher.name, "")
        same = (
            re.fullmatch(f"(?:{matcher.value})", value) is not None
            if matcher.is_regex
            else value == matcher.value
        )
        return same == matcher.is_equal

    assert mutes(matchers, labels) == all(map(holds, matchers))


@given(_LABELS)
def test_what_is_not_understood_neither_holds_nor_fails(labels: dict[str, str]) -> None:
    strange = Matcher("x", r"\pL+", is_regex=True)
    assert mutes([strange], labels) is None
    assert mutes([strange, Matcher("risk_id", "nobody")], labels) is False


SAMPLES = (
    ('risk_id="drawdown/main"',),
    ('risk_id=~"drawdown/main"',),
    ('risk_id=~"drawdown"',),
    ('risk_id=~"drawdown.*"', 'tier="warning"'),
    ('risk_id=~"drawdown/(main|other)"', 'tier=~"warning|critical"'),
    ('risk_id="drawdown/main"', 'tier!="warning"'),
    ('risk_id="drawdown/main"', 'tier!~"warn.*"'),
    ('risk_id=~".+"', 'tier=""'),
    ('risk_id=~".+"', 'tier=~""'),
    ('risk_id=~".+"', 'tier!~".+"'),
    ('risk_id=~".+"', 'symbol!=""'),
    ('risk_id=~".+"', 'symbol=~"[A-Z]{2,4}"'),
    (r'risk_id=~"size/main/BRK\\.B"',),
    ('risk_id=~"size/main/BRK.B"',),
    ('risk_id=~"^drawdown/other$"',),
    (r'risk_id=~"risk/\\d+"',),
    ('risk_id=~"(drawdown|size)/.*?"', 'severity=~"warning|emergency"'),
)
ALERTS = (
    {"risk_id": "drawdown/main", "tier": "warning", "severity": "warning"},
    {"risk_id": "drawdown/main", "tier": "warning", "severity": "emergency"},
    {"risk_id": "drawdown/main", "tier": "critical", "severity": "critical"},
    {"risk_id": "drawdown/main2", "tier": "warning", "severity": "warning"},
    {"risk_id": "drawdown/other", "tier": "emergency", "severity": "emergency"},
    {"risk_id": "size/main/BRK.B", "tier": "warning", "severity": "warning", "symbol": "BRK.B"},
    {"risk_id": "size/main/BRKXB", "tier": "critical", "severity": "critical", "symbol": "AAPL"},
    {"risk_id": "watch", "severity": "info"},
    {"risk_id": "risk/12", "severity": "info"},
    {"risk_id": "risk/\u0661\u0662", "severity": "info"},
    {"other": "somebody else's"},
)


def test_silences_match_as_in_the_real_alertmanager(alertmanager: Any, wait_until: Any) -> None:
    alerts = [{"alertname": f"A{n}", **labels} for n, labels in enumerate(ALERTS)]
    alertmanager.post(*({"labels": labels} for labels in alerts))
    made = {alertmanager.silence(*sample): sample for sample in SAMPLES}

    def all_judged() -> dict[str, set[str]] | None:
        """Alerts by silence, once no alert waits to be looked at."""
        found = alertmanager.alerts()
        if len(found) < len(alerts) or any(a["status"]["state"] == "unprocessed" for a in found):
            return None
        return {
            silence: {
                alert["labels"]["alertname"]
                for alert in found
                if silence in alert["status"]["silencedBy"]
            }
            for silence in made
        }

    theirs = wait_until(all_judged, what="every alert was looked at")
    listed = {one["id"]: one for one in alertmanager.silences()}
    for silence, sample in made.items():
        matchers = tuple(
            Matcher(one["name"], one["value"], one["isRegex"], one["isEqual"])
            for one in listed[silence]["matchers"]
        )
        ours = {labels["alertname"] for labels in alerts if mutes(matchers, labels)}
        assert ours == theirs[silence], sample


# -- acknowledgements --------------------------------------------------------------------------


@pytest.mark.parametrize("tier", ["", "warning", "critical", "emergency"])
def test_an_acknowledgement_of_ours_covers_the_tiers_up_to_its_own(tier: str) -> None:
    matchers = ack_matchers("drawdown/main", tier)
    every = [breach(one) for one in TIERS]
    covered = {one.tier for one in every if mutes(matchers, one.labels)}
    expected = set(TIERS[1 : TIERS.index(tier) + 1]) if tier else {""}
    assert covered == expected
    assert set(acknowledged(matchers, every)) == expected
    escalated = breach(tier, severity="emergency", escalation="time")
    assert mutes(matchers, escalated.labels)
    assert not mutes(matchers, breach(tier, "drawdown/main2").labels)


@given(st.text(min_size=1, max_size=20), st.sampled_from(TIERS))
def test_an_acknowledgement_is_about_its_risk_id_alone(risk_id: str, tier: str) -> None:
    matchers = ack_matchers(risk_id, tier)
    assert mutes(matchers, breach(tier, risk_id).labels)
    assert not mutes(matchers, breach(tier, risk_id + "x").labels)


@pytest.mark.parametrize(
    ("matchers", "covered"),
    [
        (('risk_id="drawdown/main"', 'tier="warning"'), ("warning",)),
        (('risk_id=~"drawdown/main"', 'tier=~"warning|critical"'), ("warning",)),
        # What names no tier covers what has happened, and nothing worse.
        (('risk_id="drawdown/main"',), ("warning",)),
        (('risk_id="drawdown/main"', 'account="main"'), ("warning",)),
        # Not about this incident, about more than one, or about how severe it counts.
        (('risk_id="drawdown/main"', 'account="other"'), ()),
        (('risk_id="drawdown/main"', 'tier="critical"'), ()),
        (('risk_id=~"drawdown/.*"', 'tier="warning"'), ()),
        (('account="main"',), ()),
        (('risk_id="drawdown/main"', 'severity="warning"'), ()),
        (('risk_id="drawdown/main"', 'escalation="none"'), ()),
        (('risk_id="drawdown/main"', r'tier=~"\pL+"'), ()),
    ],
)
def test_which_silences_acknowledge_a_warning(
    matchers: tuple[str, ...], covered: tuple[str, ...]
) -> None:
    assert acknowledged(on(*matchers), [breach("warning")]) == covered


def test_a_worse_tier_under_a_silence_that_named_none_was_never_acknowledged() -> None:
    whole = on('risk_id="drawdown/main"')
    given = acknowledged(whole, [breach("warning")])
    now = [breach("warning"), breach("critical"), breach("emergency", "drawdown/other")]
    worse = worse_muted(whole, given, now)
    assert worse is not None
    assert worse.tier == "critical"
    assert worse_muted(ack_matchers("drawdown/main", "warning"), given, now) is None
    escalated = [breach("warning", severity="emergency")]
    assert worse_muted(whole, given, escalated) is None


# -- the guard ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matchers", "too_much", "kill"),
    [
        (('account=~".+"',), True, True),
        (('alertname=~".+"',), True, True),
        (('severity="emergency"',), True, True),
        (('risk_id=~"drawdown/.+"', 'tier="warning"'), True, False),
        (('risk_id=~"drawdown/a|drawdown/b"', 'tier="warning"'), True, False),
        (('risk_id="drawdown/main"',), True, True),  # the kill alert before it has fired
        (('risk_id="var/main"',), True, False),  # what asks for action before it has fired
        (('risk_id="drawdown/main"', 'tier=~"warning|critical"'), True, False),
        (('category="system"',), True, True),  # a silent runtime, which trips where it may
        ((r'risk_id=~"\pL.*"',), True, True),  # who knows what that matches
        (('risk_id="drawdown/main"', 'tier="warning"'), False, False),
        (('alertname="Foreign"',), False, False),
        (('alertname="DRAWDOWN_WARNING"', 'risk_id="drawdown/main"'), False, False),
        (('risk_id="somebody/else"',), False, False),
        (('risk_id=~"somebody|else"',), False, False),
        (('team="infrastructure"',), False, False),
    ],
)
def test_which_silences_are_too_broad(
    matchers: tuple[str, ...], too_much: bool, kill: bool
) -> None:
    found = excess(on(*matchers), (), [breach("warning")])
    assert (bool(found.reasons), found.covers_kill) == (too_much, kill)


@pytest.mark.parametrize("tier", ["warning", "critical", "emergency"])
def test_an_acknowledgement_of_what_fires_is_never_too_broad(tier: str) -> None:
    firing = [breach(one) for one in TIERS[1 : TIERS.index(tier) + 1]]
    matchers = ack_matchers("drawdown/main", tier)
    assert excess(matchers, acknowledged(matchers, firing), firing).reasons == ()
    # Nor later, when it is over.
    assert excess(matchers, acknowledged(matchers, firing), ()).reasons == ()
