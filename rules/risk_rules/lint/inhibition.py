"""Inhibition rules of Alertmanager that keep people from hearing of more than was meant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from risk_policy.contracts import alert as labels
from risk_rules.lint.alerts import Alert, shown
from risk_rules.lint.config import Inhibition
from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.matchers import Matcher

#: Makes a finding: message, remedy, line, level, key.
Report = Callable[..., Finding]

_SHOWN = 3


def check(rule: Inhibition, alerts: tuple[Alert, ...], report: Report) -> Iterator[Finding]:
    """One rule by itself, then with the alerts it is about."""
    yield from _written(rule, report)
    if alerts:
        yield from _applied(rule, alerts, report)


def _written(rule: Inhibition, report: Report) -> Iterator[Finding]:
    named = f"inhibition rule {rule.number}"
    if labels.RISK_ID not in rule.equal:
        yield report(
            f"{named} does not ask for the same risk_id: one object's alert mutes another's",
            "add risk_id to equal",
            rule.line,
        )
    for label in rule.equal:
        for side, matchers in (("source", rule.source), ("target", rule.target)):
            if all(each.takes("") for each in matchers if each.name == label):
                yield report(
                    f"{named} takes a {side} without {label}: labels that are missing on both "
                    "sides count as equal",
                    f'add {label}=~".+" to its {side} matchers',
                    rule.line,
                )
    pinned = _pins(rule.source, labels.TIER) and _pins(rule.target, labels.TIER)
    tier = labels.TIER in rule.equal or pinned
    if labels.RISK_ID in rule.equal and not tier:
        yield report(
            f"{named} looks at no tier: an acknowledged tier mutes a new, worse one",
            "add tier to equal, or match the tiers on both sides",
            rule.line,
        )


def _applied(rule: Inhibition, alerts: tuple[Alert, ...], report: Report) -> Iterator[Finding]:
    named = f"inhibition rule {rule.number}"
    sources = [alert for alert in alerts if alert.may_pass(rule.source)]
    targets = [alert for alert in alerts if alert.may_pass(rule.target)]
    for side, found, matchers in (
        ("source", sources, rule.source), ("target", targets, rule.target),
    ):  # fmt: skip
        if not found:
            yield report(
                f"{named} has no {side}: no alert passes {_text(matchers)}",
                f"mend its {side} matchers, or remove it",
                rule.line,
                Level.WARNING,
            )
    bare = [
        label for label in rule.equal
        if any(each.lacks(label) for each in sources) and any(each.lacks(label) for each in targets)
    ]  # fmt: skip
    for label in bare:
        without = [each for each in (*sources, *targets) if each.lacks(label)]
        yield report(
            f"{named} asks for the same {label}, which {shown(without, _SHOWN)} do not carry: each "
            "of them counts as the same as any other",
            f'add {label}=~".+" to its source and target matchers',
            rule.line,
        )
    pairs = [
        (source, target)
        for target in targets
        for source in sources
        if source is not target
        and source.can_share(target, rule.equal)
        # What is on both sides is never muted by what is on both sides, too.
        and not (source.must_pass(rule.target) and target.must_pass(rule.source))
    ]
    if sources and targets and not pairs:
        yield report(
            f"{named} mutes nothing: no source and target can have the same "
            f"{', '.join(rule.equal)}",
            "ask for labels that both sides carry, or remove it",
            rule.line,
            Level.WARNING,
        )
    yield from _wrongly(rule, pairs, report)


def _wrongly(
    rule: Inhibition, pairs: Iterable[tuple[Alert, Alert]], report: Report
) -> Iterator[Finding]:
    """Only what is worse makes another alert needless, and only what acts as much one that acts."""
    wrong = [
        (source, target) for source, target in pairs
        if not source.is_worse_than(target) or (target.trips and not source.trips)
    ]  # fmt: skip
    if not wrong:
        return
    # What acts comes first: that is what people must not miss.
    wrong.sort(key=lambda pair: (not pair[1].trips, not pair[1].acts))
    source, target = wrong[0]
    others = len({one.name for _, one in wrong} - {target.name})
    yield report(
        f"inhibition rule {rule.number} lets {source.title} mute {target.title}, which is "
        f"{'another risk' if source.limit != target.limit else 'no milder'}"
        + (f"; and {others} more alerts like it" if others else ""),
        "let only a worse tier, or a higher severity of the same tier, of the same risk_id mute",
        rule.line,
        Level.ERROR,
        target.key,
    )


def _text(matchers: Iterable[Matcher]) -> str:
    return "{" + ", ".join(map(str, matchers)) + "}"


def _pins(matchers: Iterable[Matcher], label: str) -> bool:
    return any(each.name == label for each in matchers)
