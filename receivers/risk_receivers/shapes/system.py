"""Kill switch, gate and restrictions, and how all of it stands."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from risk_receivers.shapes.base import WHOLE, Time


class Restriction(TypedDict):
    """What an alert holds at the gate."""

    id: str
    kind: str
    scope: str
    size_ratio: float | None
    cause: str
    level: str
    since: Time
    incident: str
    standing: str
    needs_resume: bool
    can_be_resumed: bool


@WHOLE
class Restrictions(TypedDict):
    """All that is held."""

    restrictions: list[Restriction]


@WHOLE
class Kill(TypedDict):
    """The kill switch over one scope."""

    scope: str
    state: str
    mode: str | None
    kill_id: str | None
    cause: str | None
    level: str | None
    since: Time | None
    gate_closed_at: Time | None
    flat_confirmed_at: Time | None
    flat_accounts: list[str]
    waiting_for_accounts: list[str]
    triggers: int
    on_record: bool


@WHOLE
class KillSwitch(Kill):
    """The switch over everything, and beside it every kill in force, the widest first."""

    kills: list[Kill]


@WHOLE
class Killed(TypedDict):
    """The kill that is in force over a scope."""

    kill_id: str
    scope: str
    state: str
    mode: str
    already_tripped: bool
    gate_version: int


@WHOLE
class Holding(TypedDict):
    """A position that a kill would cover; ``notional`` is signed, in the account's currency."""

    account: str
    symbol: str
    sector: str
    notional: float | None
    currency: str


@WHOLE
class TripPreview(TypedDict):
    """What tripping would do, and what the second step takes.

    ``positions`` are as Prometheus knows them, the largest first; null if it cannot be asked or
    nobody reports any. ``unknown`` says why then, whose positions were reported too long ago, and
    what of the scope positions are not told apart by.
    """

    confirmation: str
    expires_in_seconds: float
    needs_totp: bool
    word: str
    mode: str
    scope: str
    steps: list[str]
    positions: list[Holding] | None
    unknown: str | None


@WHOLE
class Gate(TypedDict):
    """What the trade gate says."""

    open: bool
    halted: bool
    version: int
    lease_remaining_seconds: float
    lease_withheld: list[str]
    detail: dict[str, Any] | None


@WHOLE
class Chain(TypedDict):
    """The audit chain's head."""

    size: int
    checksum: str
    intact: bool
    damage: str | None
    root: str
    signed: int
    signing_problem: str | None


@WHOLE
class Status(TypedDict):
    """How all of it stands. What cannot be read at the moment is null, and unknown."""

    ready: bool
    problems: list[str]
    kill_switch: KillSwitch
    gate: Gate
    restrictions: list[Restriction] | None
    incidents_open: dict[str, int] | None
    incidents_expired: dict[str, int] | None
    messages_pending: dict[str, int] | None
    messages_dead: dict[str, int] | None
    audit: Chain
    policy_digest: str


@WHOLE
class Drill(TypedDict):
    """A rehearsal; ``result`` is null while nobody said how it ended."""

    id: str
    scenario: str
    environment: str
    started_at: Time | None
    ended_at: Time | None
    result: str | None
    actor: str | None


@WHOLE
class Drills(TypedDict):
    """The last ones, the latest first."""

    drills: list[Drill]


@WHOLE
class Report(TypedDict):
    """A report as a file; both days belong to its period."""

    name: str
    kind: str
    first_day: str
    last_day: str
    format: str
    bytes: int


@WHOLE
class Reports(TypedDict):
    """All that are kept, the latest first."""

    reports: list[Report]
