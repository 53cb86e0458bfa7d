"""What a safety snapshot is made of: what was read, the runtimes' gates, the policy's limits."""

from __future__ import annotations

from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from risk_policy.contracts.gating import LiveOrders, ToldGating

SettingValue = bool | int | float | str | tuple[str, ...]


class Part(BaseModel):
    # Should it ever not fit, nobody is told what was in it.
    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True
    )


class SourceState(StrEnum):
    """What became of asking a source."""

    READ = "read"
    ABSENT = "absent"  # it is not there, or nobody answers
    UNREADABLE = "unreadable"  # it is there, and says nothing that can be used
    NOT_ASKED = "not asked"


class Source(Part):
    """Something that was read, or should have been.

    Attributes:
        name: what it is, e.g. ``policy`` or ``exporter``.
        where: its path or URL.
        state: read, absent, unreadable or not asked.
        as_of: when what it says was written, if it was read.
        age_seconds: how old that is.
        note: why it could not be read, or what to know about it.
    """

    name: str
    where: str
    state: SourceState
    as_of: AwareDatetime | None = None
    age_seconds: float | None = None
    note: str = ""


class AccountGates(Part):
    """The gates of one account's runtime, as it tells them on the snapshot feed.

    Attributes:
        account: which one.
        told: what the runtime told; null if it tells nothing of its gates.
        effective_mode: paper, testnet, live_dry_run, live_blocked, live or live_unknown; unknown if
            nothing was told.
        live_orders: whether an order reaches a live market: impossible, possible or unknown. What
            was told too long ago is unknown.
        refusals: the gates that hold, in words.
        untold: the switches that the runtime does not tell.
        told_at: when it told that.
        age_seconds: how long ago that is.
        is_current: whether that is young enough to hold now.
        whence: where it was read.
        currency: of the equity.
        equity: what limits in percent refer to.
    """

    account: str
    told: ToldGating | None
    effective_mode: str
    live_orders: LiveOrders
    refusals: tuple[str, ...]
    untold: tuple[str, ...]
    told_at: AwareDatetime | None
    age_seconds: float | None
    is_current: bool
    whence: tuple[str, ...]
    currency: str | None = None
    equity: float | None = None


class TierOfAlert(Part):
    """An alert that a threshold belongs to.

    Attributes:
        alert: its name.
        limit: the limit it is a tier of.
        tier: which tier.
        action: what follows.
    """

    alert: str
    limit: str
    tier: str
    action: str


class Setting(Part):
    """One value of the policy that limits something.

    Attributes:
        key: its dotted key.
        value: as the policy has it: keys that end in ``_pct`` are percent.
        line: where it stands in the policy file; null if the default is in force.
        alerts: what it is the threshold of.
    """

    key: str
    value: SettingValue
    line: int | None
    alerts: tuple[TierOfAlert, ...] = ()


class OrderLimit(Part):
    """A limit to what is ordered, as the pre-trade checks have it.

    Attributes:
        name: max_notional_per_order, max_notional_total or min_order_size.
        ratio_of_equity: as a share of equity; null if nothing is configured.
        key: the policy's key; empty if there is none.
        line: where it stands; null if the default is in force, or nothing is configured.
        amounts: by account, in its currency, at its equity last told.
        note: what to know about it.
    """

    name: str
    ratio_of_equity: float | None
    key: str
    line: int | None
    amounts: dict[str, float]
    note: str


class RiskLimits(Part):
    """The limits of the policy.

    Attributes:
        are_known: whether the policy could be read; if not, nothing is known of the limits.
        enabled: whether alerting is on.
        source: the policy file.
        digest: its SHA-256.
        digests_elsewhere: of the policy that running or latest parts have, by part.
        in_force: whether every part that says so has this policy; null if none says.
        orders: limits to orders.
        settings: every threshold and safeguard, with file line.
    """

    are_known: bool
    enabled: bool | None
    source: str
    digest: str | None
    digests_elsewhere: dict[str, str]
    in_force: bool | None
    orders: tuple[OrderLimit, ...]
    settings: tuple[Setting, ...]
