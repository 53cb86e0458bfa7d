"""What a guard is told besides the policy."""

from __future__ import annotations

from nautilus_trader.common.config import ActorConfig


class RiskGuardConfig(ActorConfig, frozen=True):  # type: ignore[call-arg,unused-ignore]
    """What a guard is told besides the policy.

    Attributes:
        account: the account's name in snapshots, alerts and reports.
        currency: of all amounts, ISO 4217 or the ticker of the quote asset.
        sectors: sector by symbol, as ``AAPL.XNAS`` or ``AAPL``.
        max_exposure_ratio: of equity, held and ordered together; the policy's if None.
        reports_stops: whether every stop is an order that nautilus knows, so that a position
            without one is without one.
        publish_seconds: how often a snapshot is made, by the runtime's clock.
        settle_seconds: how long a backtest's time stands still, at most, until the receivers have
            answered a breach that trips the kill switch.
        resting_seconds: how long orders that add risk may go on resting at the venue while the
            gate is closed for another reason than the kill switch.
    """

    account: str = "main"
    currency: str = "USD"
    sectors: dict[str, str] = {}  # noqa: RUF012 - msgspec copies it
    max_exposure_ratio: float | None = None
    reports_stops: bool = False
    publish_seconds: float = 1.0
    settle_seconds: float = 5.0
    resting_seconds: float = 30.0
