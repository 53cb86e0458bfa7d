"""Which alert makes another one needless to tell people about.

Two kinds of rules, both within one ``risk_id``:

* a worse tier makes the milder tiers needless, unless these count as more severe now;
* a higher severity makes lower ones of the same tier needless.

Why this swallows nothing: order alerts of one risk_id by tier, then severity. Every rule's
source is strictly worse than its target in that order, so the worst alert has no source, no
alert inhibits itself, and no two inhibit each other. Alerts without risk_id, and without tier
(the Watchdog), match no rule. What is inhibited here still reaches the alert feed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from risk_alertmanager.matchers import about_a_risk, equals, one_of, present
from risk_policy.catalogue.limits import LIMITS
from risk_policy.contracts import alert as labels
from risk_policy.vocabulary import Severity, Tier


def inhibit_rules() -> list[dict[str, Any]]:
    """Every inhibition rule."""
    return [*_worse_tiers(), *_higher_severities()]


def _worse_tiers() -> Iterator[dict[str, Any]]:
    for tier in Tier:
        milder = [other.value for other in Tier if other.rank < tier.rank]
        if not milder:
            continue
        for severity in _severities_of(tier):
            no_higher = [other.value for other in Severity if other.rank <= severity.rank]
            yield {
                "source_matchers": [
                    about_a_risk(),
                    equals(labels.TIER, tier.value),
                    equals(labels.SEVERITY, severity.value),
                ],
                "target_matchers": [
                    about_a_risk(),
                    one_of(labels.TIER, milder),
                    one_of(labels.SEVERITY, no_higher),
                ],
                "equal": [labels.RISK_ID],
            }


def _higher_severities() -> Iterator[dict[str, Any]]:
    mildest = min(severity.rank for tier in Tier for severity in _severities_of(tier))
    for severity in Severity:
        lower = [other.value for other in Severity if mildest <= other.rank < severity.rank]
        if not lower:
            continue
        yield {
            "source_matchers": [
                about_a_risk(),
                present(labels.TIER),
                equals(labels.SEVERITY, severity.value),
            ],
            "target_matchers": [
                about_a_risk(),
                present(labels.TIER),
                one_of(labels.SEVERITY, lower),
            ],
            "equal": [labels.RISK_ID, labels.TIER],
        }


def _severities_of(tier: Tier) -> tuple[Severity, ...]:
    """What alerts of a tier can count as: what the catalogue says, or worse once escalated."""
    ranks = [spec.severity.rank for limit in LIMITS for spec in limit.alerts if spec.tier is tier]
    return tuple(severity for severity in Severity if severity.rank >= min(ranks, default=0))
