"""The limits of the policy, each with the line where it stands. Pure but for reading the file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_policy import InvalidPolicyError, Policy, layers
from risk_policy.catalogue.limits import LIMITS
from risk_policy.contracts.safety_snapshot_parts import (
    AccountGates,
    OrderLimit,
    RiskLimits,
    Setting,
    SettingValue,
    TierOfAlert,
)
from risk_policy.layers import Layers
from risk_policy.loader import parse_policy
from risk_policy.model.policy import Alerting
from riskwarden.safety_snapshot.sources import Content, Sources, content_of, reason_of

#: The tables that limit something, and hold no secret. Others are none of a snapshot's business.
_TABLES: Final = (
    "thresholds",
    "circuit_breakers",
    "limits",
    "pre_trade",
    "confirmation",
    "latch",
    "kill_switch",
    "fast_lane",
    "gate",
    "dead_man",
)
#: What else of a policy is needed to read the rest.
_NEEDED: Final = (*_TABLES, "enabled", "system", "endpoints", "audit")
#: Parts that act by the policy they say they have.
_RUNNING: Final = frozenset({"receivers", "exporter", "gate"})
_PER_ORDER: Final = "alerting.pre_trade.order_max_pct"
_TOTAL: Final = "alerting.pre_trade.exposure_max_pct"
_TOTAL_BREACH: Final = "alerting.thresholds.exposure.gross_breach_pct"
_OWN: Final = "of equity, unless the runtime names a limit of its own"


@dataclass(frozen=True, slots=True)
class ReadPolicy:
    """A policy file.

    Attributes:
        policy: None if it could not be read or used.
        digest: of the file, if it could be read at all.
        written: every key that it sets, with its line.
    """

    path: Path
    policy: Policy | None
    digest: str | None
    written: Mapping[str, int]


def read_policy(path: Path, sources: Sources) -> ReadPolicy:
    """Read a policy; what is wrong with it is told by its place, and never by its words."""
    name = "policy"
    try:
        content = content_of(path)
    except FileNotFoundError:
        sources.absent(name, path)
        return ReadPolicy(path, None, None, {})
    except (OSError, ValueError) as error:
        sources.unreadable(name, path, reason_of(error))
        return ReadPolicy(path, None, None, {})
    try:
        policy = parse_policy(content.data, str(path))
        written = _lines(layers.parse(content.data, str(path)), path)
    except InvalidPolicyError as error:
        return _as_far_as_it_goes(path, content, error, sources)
    sources.read(name, path, content.written_at)
    return ReadPolicy(path, policy, policy.digest, written)


def _lines(file: Layers, path: Path) -> dict[str, int]:
    """The lines of the named file; a key that stands in another one has no line in this."""
    return {key: at.line for key, at in file.written().items() if at.file == str(path)}


def _as_far_as_it_goes(
    path: Path, content: Content, error: InvalidPolicyError, sources: Sources
) -> ReadPolicy:
    """A policy with problems, if they lie outside of what limits: a channel's variable, which only
    the service has, takes no limit out of force."""
    named = {"", str(path)}
    lines = sorted({one.line for one in error.problems if one.line and one.source in named})
    where = f" in line {', '.join(map(str, lines[:10]))}" if lines else ""
    count = len(error.problems)
    note = f"{count} problem{'s' if count != 1 else ''}{where}: riskwarden policy check"
    prefixes = tuple(f"alerting.{table}." for table in _NEEDED)
    try:
        file = layers.parse(content.data, str(path))
        tree = file.tree["alerting"]
        needed = {table: tree[table] for table in _NEEDED if table in tree}
        if any(f"{problem.key}.".startswith(prefixes) for problem in error.problems):
            raise ValueError(note)  # noqa: TRY301 - as what is no policy at all
        alerting = Alerting.model_validate(needed)
    except (InvalidPolicyError, ValueError, KeyError, TypeError):
        sources.unreadable("policy", path, note)
        return ReadPolicy(path, None, content.digest, {})
    sources.read("policy", path, content.written_at, f"{note}; what limits is without one")
    policy = Policy(alerting=alerting, digest=file.digest, source=str(path))
    return ReadPolicy(path, policy, file.digest, _lines(file, path))


def limits_of(
    read: ReadPolicy, accounts: Iterable[AccountGates], elsewhere: Mapping[str, str]
) -> RiskLimits:
    """The limits of a policy.

    Args:
        elsewhere: digests of the policy that parts have, by part.
    """
    policy = read.policy
    agrees = all(one == read.digest for one in elsewhere.values())
    is_told = not _RUNNING.isdisjoint(elsewhere)  # files that were made from it enforce nothing
    in_force = agrees if is_told or not agrees else None
    return RiskLimits(
        are_known=policy is not None,
        enabled=policy.alerting.enabled if policy else None,
        source=str(read.path),
        digest=read.digest,
        digests_elsewhere=dict(sorted(elsewhere.items())),
        in_force=in_force,
        orders=tuple(_orders(policy, read.written, accounts)) if policy else (),
        settings=tuple(_settings(policy, read.written)) if policy else (),
    )


def _settings(policy: Policy, written: Mapping[str, int]) -> Iterator[Setting]:
    tiers: dict[str, list[TierOfAlert]] = {}
    for limit in LIMITS:
        for spec in limit.alerts:
            tiers.setdefault(spec.threshold, []).append(
                TierOfAlert(
                    alert=spec.name,
                    limit=limit.name,
                    tier=spec.tier.value,
                    action=spec.action.value,
                )
            )
    tree = policy.alerting.model_dump(mode="json", include=set(_TABLES))
    for table in _TABLES:
        for key, value in _flat(tree[table], f"alerting.{table}"):
            yield Setting(
                key=key, value=value, line=written.get(key), alerts=tuple(tiers.get(key, ()))
            )


def _flat(node: object, path: str) -> Iterator[tuple[str, SettingValue]]:
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _flat(child, f"{path}.{name}")
    elif isinstance(node, list | tuple):
        yield path, tuple(str(one) for one in node)
    elif isinstance(node, bool | int | float | str):
        yield path, node


def _orders(
    policy: Policy, written: Mapping[str, int], accounts: Iterable[AccountGates]
) -> Iterator[OrderLimit]:
    pre_trade = policy.alerting.pre_trade
    breach = policy.alerting.thresholds.exposure.gross_breach_pct
    total, key = min((pre_trade.exposure_max_pct, _TOTAL), (breach, _TOTAL_BREACH))
    known = {one.account: one.equity for one in accounts if one.equity is not None}
    for name, pct, where, note in (
        ("max_notional_per_order", pre_trade.order_max_pct, _PER_ORDER, "of equity"),
        ("max_notional_total", total, key, _OWN),
    ):
        ratio = round(pct / 100, 10)
        amounts = {account: round(max(equity, 0.0) * ratio, 2) for account, equity in known.items()}
        yield OrderLimit(
            name=name,
            ratio_of_equity=ratio,
            key=where,
            line=written.get(where),
            amounts=amounts,
            note=note,
        )
    yield OrderLimit(
        name="min_order_size",
        ratio_of_equity=None,
        key="",
        line=None,
        amounts={},
        note="the policy has none; what a venue asks for is its own",
    )
