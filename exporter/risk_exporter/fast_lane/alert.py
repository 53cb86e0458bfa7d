"""A breach as the alert feed takes it: what Prometheus sends of the same one, and when it ends."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from risk_exporter.fast_lane.decision import Watch
from risk_policy import Policy
from risk_policy.contracts import alert as labels
from risk_policy.contracts import limit_alert
from risk_policy.quantities import shown


def labels_of(watch: Watch) -> dict[str, str]:
    """The labels that Prometheus gives the same alert."""
    limit, spec = watch.tier.limit, watch.tier.spec
    identity = {name: watch.identity[name] for name in (*limit.identity, labels.RISK_ID)}
    return {
        labels.ALERTNAME: spec.name,
        **identity,
        **limit_alert.static_labels(limit, spec),
    }


def annotations_of(policy: Policy, watch: Watch) -> dict[str, str]:
    """What Prometheus says with it, and that it was not Prometheus who said it."""
    limit = watch.tier.limit
    about = limit_alert.subject(limit.identity, watch.identity)
    # Prometheus spells infinity so.
    value = shown(limit.unit.kind, watch.value).replace("inf", "+Inf")
    return {
        **limit_alert.tier_annotations(policy, limit, watch.tier.spec, about, value),
        labels.RAISED_BY: labels.FAST_LANE,
    }


def document(
    policy: Policy, watch: Watch, starts_at: datetime, ends_at: datetime
) -> dict[str, Any]:
    """One alert of a request."""
    return {
        "labels": labels_of(watch),
        "annotations": annotations_of(policy, watch),
        "startsAt": starts_at.isoformat(),
        "endsAt": ends_at.isoformat(),
    }


def body(documents: Iterable[Mapping[str, Any]]) -> bytes:
    """A request's body."""
    return json.dumps(list(documents), allow_nan=False).encode()


#: Where the receivers take alerts, as Alertmanager does.
ALERTS_PATH: Final = "/api/v2/alerts"
