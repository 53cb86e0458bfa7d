"""What a change of the policy does, to whom, in words.

Every setting that differs is told: what no module here has words for is listed by its key.
"""

from __future__ import annotations

from collections.abc import Iterator

from risk_policy.contracts.alert import POLICY_DIGEST
from risk_policy.model import Policy
from risk_rules.diff import telling, watching
from risk_rules.diff.change import Change, Kind, PolicyDiff, RuleCounts
from risk_rules.diff.settings import Settings
from risk_rules.errors import NoRulesError
from risk_rules.groups import rule_files
from risk_rules.rule import AlertRule


def diff(old: Policy, new: Policy) -> PolicyDiff:
    """Everything that is different, the most important first."""
    settings = Settings.of(old, new)
    changes = (
        *telling.kill_switch(settings),
        *watching.thresholds(old, new, settings),
        *watching.measured(settings),
        *watching.clear_levels(old, new, settings),
        *watching.confirmations(settings),
        *watching.cooldowns(settings),
        *watching.escalations(settings),
        *watching.system(settings),
        *telling.channels(old, new, settings),
        *telling.quiet(old, new, settings),
        *telling.routing(settings),
    )
    return PolicyDiff((*changes, *_others(settings)), _counts(old, new))


def _others(settings: Settings) -> Iterator[Change]:
    for key in settings.changed():
        if key in settings.told:
            continue
        before, after = settings.shown(key)
        effect = ""
        if key == "alerting.enabled":
            effect = "nothing is watched any more" if after == "off" else "limits are watched again"
        yield Change(Kind.OTHER, key, before, after, effect, key)


def _counts(old: Policy, new: Policy) -> RuleCounts:
    before, after = _rules(old), _rules(new)
    shared = before.keys() & after.keys()
    changed = sum(before[rule] != after[rule] for rule in shared)
    return RuleCounts(
        changed=changed,
        added=len(after.keys() - shared),
        removed=len(before.keys() - shared),
        alike=len(shared) - changed,
    )


def _rules(policy: Policy) -> dict[tuple[str, ...], tuple[object, ...]]:
    """Every rule by what tells it from others; the policy's digest is no difference."""
    found: dict[tuple[str, ...], tuple[object, ...]] = {}
    try:
        files = rule_files(policy)
    except NoRulesError:
        return found
    for file, groups in files.items():
        for group in groups:
            for rule in group.rules:
                labels = {k: v for k, v in rule.labels.items() if v != policy.digest}
                notes = dict(rule.annotations) if isinstance(rule, AlertRule) else {}
                notes.pop(POLICY_DIGEST, None)
                name = (file, group.name, rule.name, *map("=".join, sorted(labels.items())))
                found[name] = (rule.expression, notes, group.interval_seconds)
    return found


__all__ = ["Change", "Kind", "PolicyDiff", "RuleCounts", "diff"]
