"""Alerts about the risk layer itself. Their expressions stand in ``risk_rules.system``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.alert import WATCHDOG as WATCHDOG_NAME
from risk_policy.vocabulary import Action, Severity


@dataclass(frozen=True, slots=True)
class SystemAlert:
    """An alert of layer and category ``system``.

    Attributes:
        name: the alertname.
        limit: first part of its risk_id.
        duration: dotted policy key, in seconds, for which the condition has to hold; empty
            if it fires at once.
    """

    name: str
    limit: str
    severity: Severity
    action: Action
    duration: str
    summary: str
    meaning: str
    advice: str


WATCHDOG: Final = SystemAlert(
    WATCHDOG_NAME, "watchdog", Severity.DEBUG, Action.LOG, "",
    "The alert pipeline is alive",
    "Fires always. When it stops arriving, Prometheus or Alertmanager is dead.",
    "Nothing to do while it arrives. If it is missing, start Prometheus and Alertmanager first; "
    "no other alert can be trusted until then.",
)  # fmt: skip

EXPORTER_DOWN: Final = SystemAlert(
    "RISK_EXPORTER_DOWN", "exporter_down", Severity.CRITICAL, Action.NOTIFY,
    "alerting.system.exporter_down_seconds",
    "The risk exporter cannot be scraped",
    "Prometheus gets no risk figures, so no limit can be watched.",
    "Check that the trading runtime and its exporter run and that Prometheus can reach them. "
    "Treat the account as unwatched: consider tripping the kill switch by hand.",
)  # fmt: skip

RECEIVERS_DOWN: Final = SystemAlert(
    "RISK_RECEIVERS_DOWN", "receivers_down", Severity.CRITICAL, Action.NOTIFY,
    "alerting.system.receivers_down_seconds",
    "The receivers service cannot be scraped",
    "No alert is recorded and the kill switch cannot trip. The gate closes by itself once its "
    "lease runs out.",
    "Start the receivers service. Alerts that still fire are sent again and recorded then.",
)  # fmt: skip

DATA_STALE: Final = SystemAlert(
    "RISK_DATA_STALE", "data_stale", Severity.CRITICAL, Action.NOTIFY,
    "",
    "Account {subject} has sent no snapshot for too long",
    "The exporter answers, but its figures are old: every limit is judged on the past.",
    "Check the trading runtime: is it alive, is it connected, does its clock run?",
)  # fmt: skip

POLICY_DRIFT: Final = SystemAlert(
    "RISK_POLICY_DRIFT", "policy_drift", Severity.WARNING, Action.NOTIFY,
    "alerting.system.policy_drift_seconds",
    "Running parts disagree about the policy",
    "Exporter, rules and receivers were started from different versions of the policy.",
    "Run `riskwarden generate`, reload Prometheus and Alertmanager, restart what still shows "
    "the old digest in risk_policy_info.",
)  # fmt: skip

SYSTEM_ALERTS: Final = (WATCHDOG, EXPORTER_DOWN, RECEIVERS_DOWN, DATA_STALE, POLICY_DRIFT)
