"""Times that follow from the policy's, above all how long a value outlives a failed scrape.

A failed scrape marks every series stale, and without a hold each alert would resolve at once
and each pending ``for`` start anew: one lost scrape now and then could keep a breach from ever
being confirmed. So alerts judge the latest sample within a hold.

* What is about a position, an asset or a sector is held for 3.5 scrapes: a failed scrape or
  two change nothing, and a closed position is gone soon.
* What is about an account always has a series while its exporter answers, so it can be held
  longer at no cost: until RISK_EXPORTER_DOWN is sure to fire. When that resolves, because
  the exporter answers again, RISK_DATA_STALE has taken over unless the account is back. So at
  no moment is a breached account without an alert because its exporter died.

Half a scrape interval is added, so that no range is a multiple of the interval: Prometheus 3
leaves out a sample on the far edge that Prometheus 2 still counts.
"""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.limits import Limit
from risk_policy.model import Policy

_SCRAPES_HELD: Final = 3
#: Identity labels of what exists as long as its exporter answers.
_ACCOUNT_LABELS: Final = frozenset({"account", "strategy", "venue"})


def is_account_level(limit: Limit) -> bool:
    """Whether a limit is about a whole account and not about something that can be closed."""
    return _ACCOUNT_LABELS.issuperset(limit.identity)


def hold_seconds(policy: Policy, limit: Limit) -> float:
    """How long the last value of a limit's metric counts after scrapes begin to fail."""
    return account_hold_seconds(policy) if is_account_level(limit) else _short_hold(policy)


def account_hold_seconds(policy: Policy) -> float:
    """Until RISK_EXPORTER_DOWN fires, whatever the phase of scrapes and evaluations.

    The next scrape fails up to two intervals later (it may time out), an evaluation sees it,
    ``for`` passes, and another evaluation fires.
    """
    timing = policy.alerting.prometheus
    until_down_fires = (
        2 * timing.scrape_interval_seconds
        + policy.alerting.system.exporter_down_seconds
        + 2 * timing.evaluation_interval_seconds
    )
    held = until_down_fires + timing.scrape_interval_seconds / 2
    return max(_milliseconds(held), _short_hold(policy))


def failure_memory_seconds(policy: Policy, down_seconds: float) -> float:
    """How long one failed scrape counts against a part that must be down for so long.

    Shorter than ``down_seconds`` by a scrape, so that it takes more than one failure; 0 if so
    little is left that no second failure would fall within.
    """
    interval = policy.alerting.prometheus.scrape_interval_seconds
    memory = _milliseconds(down_seconds - 1.5 * interval)
    return memory if memory > interval else 0


def off_multiple(policy: Policy, seconds: float) -> float:
    """A range at least this long that is no multiple of the scrape interval."""
    return _milliseconds(seconds + policy.alerting.prometheus.scrape_interval_seconds / 2)


def own_scrape_seconds(policy: Policy) -> float:
    """How often Prometheus and Alertmanager themselves are scraped: a tenth as often.

    Never rarer than once a minute, unless everything is: a sample is forgotten after five.
    """
    interval = policy.alerting.prometheus.scrape_interval_seconds
    return max(interval, min(10 * interval, 60.0))


def _short_hold(policy: Policy) -> float:
    interval = policy.alerting.prometheus.scrape_interval_seconds
    return _milliseconds((_SCRAPES_HELD + 0.5) * interval)


def _milliseconds(seconds: float) -> float:
    return round(seconds, 3)
