"""The words every part of Riskwarden agrees on.

Prometheus labels are strings, so the members are strings too: a value can be written
into a rule, a label or an audit payload as it stands.
"""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """How bad it is now, after escalation. Ordered from mildest to worst."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"

    @property
    def rank(self) -> int:
        """Position in the order, 0 for the mildest."""
        return _SEVERITY_ORDER[self]


_SEVERITY_ORDER = {severity: rank for rank, severity in enumerate(Severity)}


class Tier(StrEnum):
    """The threshold that was crossed. Unlike a severity it never changes."""

    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"

    @property
    def rank(self) -> int:
        """Position in the order, 0 for the mildest."""
        return _TIER_ORDER[self]


_TIER_ORDER = {tier: rank for rank, tier in enumerate(Tier)}


class Category(StrEnum):
    """What kind of thing is at risk."""

    POSITION = "position"
    PORTFOLIO = "portfolio"
    DRAWDOWN = "drawdown"
    EXECUTION = "execution"
    SYSTEM = "system"
    KILL_SWITCH = "kill_switch"
    SECURITY = "security"


class Layer(StrEnum):
    """Which line of defence the alert belongs to."""

    PRE_TRADE = "pre_trade"
    POSITION = "position"
    PORTFOLIO = "portfolio"
    KILL_SWITCH = "kill_switch"
    CIRCUIT_BREAKER = "circuit_breaker"
    SYSTEM = "system"


class Action(StrEnum):
    """What an alert asks the system to do."""

    LOG = "log"
    NOTIFY = "notify"
    REVIEW = "review"
    BLOCK_TRADE = "block_trade"
    FORCE_CLOSE_REVIEW = "force_close_review"
    REDUCE_SIZE = "reduce_size"
    REDUCE_EXPOSURE = "reduce_exposure"
    EMERGENCY_REDUCE = "emergency_reduce"
    PAUSE_NEW_ENTRIES = "pause_new_entries"
    HALT_NEW_TRADES = "halt_new_trades"
    KILL_SWITCH = "kill_switch"
    CLOSE_ALL = "close_all"

    @property
    def trips_kill_switch(self) -> bool:
        """Whether a firing alert with this action trips the kill switch."""
        return self in (Action.KILL_SWITCH, Action.CLOSE_ALL)


class DeadManAction(StrEnum):
    """What the silence of a part leads to."""

    ALERT = "alert"  # people are told
    REDUCE_ONLY = "reduce_only"  # no new risk until it is heard again
    HALT = "halt"  # the kill switch trips, and stays so


class Escalation(StrEnum):
    """Why an alert counts as worse than its tier."""

    NONE = "none"
    TIME = "time"
    FREQUENCY = "frequency"
    TREND = "trend"


class KillMode(StrEnum):
    """How a tripped kill switch treats what is open. Ordered from loosest to tightest."""

    PAUSE = "pause"
    GRACEFUL = "graceful"
    IMMEDIATE = "immediate"

    @property
    def rank(self) -> int:
        """Position in the order, 0 for the loosest."""
        return _KILL_MODE_ORDER[self]


_KILL_MODE_ORDER = {mode: rank for rank, mode in enumerate(KillMode)}


class Role(StrEnum):
    """What somebody is to the desk; a token carries one or several."""

    ADMIN = "admin"
    RISK_MANAGER = "risk_manager"
    TRADING_OPS = "trading_ops"
    QUANT_ANALYST = "quant_analyst"
    AUDITOR = "auditor"


class Permission(StrEnum):
    """What people do, as far as not everybody may. Each is a key of ``[alerting.permissions]``."""

    READ = "read"
    AUDIT_READ = "audit_read"
    ACKNOWLEDGE = "acknowledge"
    TRIP = "trip"
    ARM = "arm"
    LOOSEN = "loosen"
    CONFIRM = "confirm"
    DRILL = "drill"
    MANAGE_CHANNELS = "manage_channels"
    MANAGE_TOKENS = "manage_tokens"
