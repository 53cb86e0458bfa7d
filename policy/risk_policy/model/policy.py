"""The whole policy file."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from risk_policy.model.audit import Audit
from risk_policy.model.base import Section, SeverityName, Switch
from risk_policy.model.breakers import CircuitBreakers, Latch
from risk_policy.model.channels import Channels
from risk_policy.model.dashboard import Dashboard
from risk_policy.model.dead_man import DeadMan
from risk_policy.model.escalation import (
    Acknowledgement,
    Cooldown,
    Deduplication,
    Escalation,
    RateLimits,
    Retention,
)
from risk_policy.model.golive import GoLive
from risk_policy.model.mute_times import BusinessHours, MuteTimes
from risk_policy.model.permissions import Permissions
from risk_policy.model.pre_trade import PreTrade
from risk_policy.model.reports import Reports
from risk_policy.model.second_way import SecondWay
from risk_policy.model.security import Security
from risk_policy.model.stack import (
    Auth,
    Confirmation,
    Endpoints,
    FastLane,
    Gate,
    HighAvailability,
    Intake,
    KillSwitch,
    Prometheus,
    Routing,
    Runbooks,
    System,
)
from risk_policy.model.thresholds import Limits, Measures, Thresholds
from risk_policy.vocabulary import Severity


class Alerting(Section):
    """``[alerting]``."""

    enabled: Switch = True
    default_severity: SeverityName = Severity.WARNING
    retention: Retention = Retention()
    deduplication: Deduplication = Deduplication()
    thresholds: Thresholds = Thresholds()
    circuit_breakers: CircuitBreakers = CircuitBreakers()
    limits: Limits = Limits()
    measures: Measures = Measures()
    pre_trade: PreTrade = PreTrade()
    confirmation: Confirmation = Confirmation()
    latch: Latch = Latch()
    escalation: Escalation = Escalation()
    acknowledgement: Acknowledgement = Acknowledgement()
    cooldown: Cooldown = Cooldown()
    rate_limits: RateLimits = RateLimits()
    kill_switch: KillSwitch = KillSwitch()
    fast_lane: FastLane = FastLane()
    gate: Gate = Gate()
    dead_man: DeadMan = DeadMan()
    system: System = System()
    prometheus: Prometheus = Prometheus()
    routing: Routing = Routing()
    mute_times: MuteTimes = MuteTimes()
    business_hours: BusinessHours = BusinessHours()
    second_way: SecondWay = SecondWay()
    channels: Channels = Channels()
    audit: Audit = Audit()
    reports: Reports = Reports()
    intake: Intake = Intake()
    endpoints: Endpoints = Endpoints()
    high_availability: HighAvailability = HighAvailability()
    auth: Auth = Auth()
    permissions: Permissions = Permissions()
    runbooks: Runbooks = Runbooks()
    security: Security = Security()
    dashboard: Dashboard = Dashboard()
    golive: GoLive = GoLive()


class Policy(Section):
    """A valid policy, with the digest of the file it was read from.

    ``digest`` is what ``sha256sum`` prints for the file (and those that it extends, the lowest
    first), so that anybody can check which policy a running part was started with;
    ``as_written`` is the file's tree, unexpanded, and ``written_in`` says which file each of its
    keys is from.
    """

    alerting: Alerting = Alerting()
    digest: str = Field(default="", exclude=True)
    source: str = Field(default="", exclude=True)
    as_written: dict[str, Any] = Field(default_factory=dict, exclude=True, repr=False)
    written_in: dict[str, str] = Field(default_factory=dict, exclude=True, repr=False)

    @property
    def short_digest(self) -> str:
        """The first 12 hexadecimal digits of the digest, for labels and headings."""
        return self.digest[:12]

    def number(self, key: str) -> float:
        """A number by its dotted key, e.g. ``alerting.limits.var_max_pct``. Raises KeyError."""
        value = self._at(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise KeyError(key)
        return float(value)

    def text(self, key: str) -> str:
        """A word by its dotted key. Raises KeyError."""
        value = self._at(key)
        if not isinstance(value, str):
            raise KeyError(key)
        return value

    def switch(self, key: str) -> bool:
        """Whether something is on, by its dotted key. Raises KeyError."""
        value = self._at(key)
        if not isinstance(value, bool):
            raise KeyError(key)
        return value

    def _at(self, key: str) -> object:
        value: object = self
        for part in key.split("."):
            value = getattr(value, part, None)
        return value
