"""The labels of an alert, as rules write them and receivers read them.

Identity is ``risk_id`` plus ``tier``. Severity is never part of it: it rises while the
incident stays the same.
"""

from __future__ import annotations

from typing import Final

ALERTNAME: Final = "alertname"
LIMIT: Final = "limit"
TIER: Final = "tier"
SEVERITY: Final = "severity"
ESCALATION: Final = "escalation"
RISK_ID: Final = "risk_id"
CATEGORY: Final = "category"
LAYER: Final = "layer"
ACTION: Final = "action"

#: Labels that say what an alert is about, in the order in which they appear in a risk_id.
IDENTITY_LABELS: Final = ("account", "strategy", "venue", "symbol", "asset", "sector")

#: The alert that always fires. Its absence means Prometheus or Alertmanager is dead.
WATCHDOG: Final = "Watchdog"

#: Annotation that carries the policy digest. Never a label: a label would re-fire everything.
POLICY_DIGEST: Final = "policy_digest"

#: Annotations for messages: what was measured, and what it is held against, as people read them.
VALUE: Final = "value"
THRESHOLD: Final = "threshold"

#: Annotation of an alert that did not come from Prometheus: who raised it.
RAISED_BY: Final = "raised_by"
#: The exporter, on a snapshot that trips the kill switch.
FAST_LANE: Final = "fast lane"


def risk_id(limit: str, *identity: str) -> str:
    """Join a limit and the identity it is about, e.g. ``drawdown/main``.

    The generated rules build the same text with ``label_join``; the exporter emits it on
    everything it measures.
    """
    return "/".join((limit, *identity))


#: The account of an alert that has to name one and is about none.
NO_ACCOUNT: Final = "system"
