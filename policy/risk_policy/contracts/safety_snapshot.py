"""The safety snapshot: what stands between a decision and a live order, at one instant.

Made for auditors, and for whoever wants to know later how safe it was. It says what was read, from
where and how old that was. What could not be read is null or ``unknown``, with the reason, and
never counts as safe. It holds no secret: of a token only whether it is there.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import AwareDatetime

from risk_policy.contracts.gating import LiveOrders
from risk_policy.contracts.safety_snapshot_parts import (
    AccountGates,
    Part,
    RiskLimits,
    Source,
)

#: Raised with every change that a reader of an earlier one would misunderstand.
SCHEMA_VERSION: Literal[1] = 1


class KillState(Part):
    """The kill switch of one scope.

    Attributes:
        scope: what it covers; ``*`` is everything.
        state: ARMED, TRIPPED, CLOSING, FLAT_CONFIRMED, DISARMED, or unknown.
        mode: pause, graceful or immediate, if it is tripped.
        kill_id: of the kill, if it is tripped.
        cause: why it is tripped.
        level: severity or role behind the cause.
        since: when it tripped.
        on_record: whether the database has it.
        at_gate: whether the gate has it.
    """

    scope: str
    state: str
    mode: str | None = None
    kill_id: str | None = None
    cause: str | None = None
    level: str | None = None
    since: AwareDatetime | None = None
    on_record: bool | None = None
    at_gate: bool | None = None


class HeldRestriction(Part):
    """Something that an alert holds at the gate.

    Attributes:
        id: by which it is resumed.
        kind: what is refused.
        scope: to whom; ``*`` is everything.
        size_ratio: the largest share of its full size that an order may have, if sizes are reduced.
        cause: the alert.
        level: its severity.
        since: when it took effect.
        until: what ends it.
        on_record: whether the database has it.
        at_gate: whether the gate has it.
    """

    id: str
    kind: str
    scope: str
    size_ratio: float | None
    cause: str
    level: str
    since: AwareDatetime
    until: str
    on_record: bool | None
    at_gate: bool | None


class GateStatus(Part):
    """The trade gate, as a runtime of this machine sees it now.

    Attributes:
        folder: where it is published.
        state: open, halted, stale, implausible, missing or untrusted.
        adds_risk: whether it lets orders pass that add risk: allowed or refused. Those that reduce
            risk always pass.
        reason: why it is closed.
        version: grows with every change.
        lease_seconds: how long the lease still runs; negative: for how long it has been over; null
            if there is none.
        longest_lease_seconds: how long a lease can be.
        kill_order: whether the order ``KILL`` stands there.
        published_at: when what it says was last changed.
    """

    folder: str
    state: str
    adds_risk: Literal["allowed", "refused"]
    reason: str
    version: int
    lease_seconds: float | None
    longest_lease_seconds: float | None
    kill_order: bool
    published_at: AwareDatetime | None


class DrillRun(Part):
    """A rehearsal, and how it last went.

    Attributes:
        scenario: its name.
        title: what it rehearses.
        drill_id: of the last run; null if there is no trace of one.
        result: PASS or FAIL; null if it never ran.
        ended_at: when it ended.
        environment: paper, testnet or live.
        operator: who ran it.
        evidence: ``audit chain``: the chain has its end and says the same; ``log``: the drill log
            alone says so; ``contradicted``: chain and log say different things.
        record: which record of which database has it.
    """

    scenario: str
    title: str
    drill_id: str | None = None
    result: Literal["PASS", "FAIL"] | None = None
    ended_at: AwareDatetime | None = None
    environment: str | None = None
    operator: str | None = None
    evidence: Literal["audit chain", "log", "contradicted"] | None = None
    record: str | None = None


class ChainEnd(Part):
    """Where the audit chain ends. It was not verified; ``riskwarden audit verify`` does that.

    Attributes:
        head: ``SIZE:CHECKSUM``; null if it could not be read.
        noted_head: what is noted beside the database.
        signed_head: ``SIZE:ROOT`` of the newest signed checkpoint; null if there is none.
        is_whole: whether it reaches what is noted; null if that is not known.
        last_recorded_at: when the last event was recorded.
        found_intact: what the running receivers say of it; null if none run.
    """

    head: str | None
    noted_head: str | None
    signed_head: str | None
    is_whole: bool | None
    last_recorded_at: AwareDatetime | None
    found_intact: bool | None


class Bearing(StrEnum):
    """What a reason says about live orders."""

    HOLDS = "holds"  # this keeps them from a live market, or risk from being added
    OPEN = "open"  # this does not
    UNKNOWN = "unknown"  # nobody knows, so do not count on it
    TROUBLE = "trouble"  # something that should be put right


class Reason(Part):
    """One thing that the verdict rests on.

    Attributes:
        bearing: holds, open, unknown or trouble.
        about: an account, or the part that it is about.
        text: in words.
    """

    bearing: Bearing
    about: str
    text: str


class Safety(Part):
    """The verdict.

    Attributes:
        live_orders: whether any order can reach a live market: impossible, possible or unknown.
        is_live_execution_ruled_out: true only if it is known to be impossible for every account.
        adds_risk: whether the gate lets orders pass that add risk: allowed or refused.
        statement: the verdict in words.
        reasons: what it rests on.
    """

    live_orders: LiveOrders
    is_live_execution_ruled_out: bool
    adds_risk: Literal["allowed", "refused"]
    statement: str
    reasons: tuple[Reason, ...]


class Versions(Part):
    """What runs here; null if it does not run, or does not say.

    Attributes:
        riskwarden: that made this snapshot.
        python: that made this snapshot.
        prometheus: that runs.
        alertmanager: that runs.
    """

    riskwarden: str
    python: str
    prometheus: str | None
    alertmanager: str | None


class Digests(Part):
    """SHA-256 of the files that decide; null if there is no such file.

    Attributes:
        policy: the policy file.
        rules: all rule files together, by name and content.
        rule_files: each of them.
        prometheus_config: Prometheus's configuration.
        alertmanager_config: Alertmanager's configuration.
        gate: what the gate says beside its lease.
    """

    policy: str | None
    rules: str | None
    rule_files: dict[str, str]
    prometheus_config: str | None
    alertmanager_config: str | None
    gate: str | None


class SafetySnapshot(Part):
    """All of it.

    Attributes:
        schema_version: of this document.
        taken_at: when it was taken, UTC.
        kernel_forbade_writing: whether the kernel kept the process from writing anything while it
            read; if not, it has to be believed that it does not.
        environment_id: the policy's name and digest, or a name that was given.
        data: the data folder.
        stack_environment: what the folder's stack was started as: paper, testnet or live; null if
            it does not say.
        safety: whether live execution is possible, and why.
        gating: the gates of every account's runtime.
        limits: the limits in force.
        kill_switches: of every scope that was ever tripped; null if neither database nor gate could
            be read.
        restrictions: what alerts hold; null if neither could be read.
        gate: the trade gate.
        drills: every rehearsal and its last run.
        chain: the audit chain's end.
        versions: of the programs.
        digests: of the files that decide.
        sources: what was read from where, and how old it was.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    taken_at: AwareDatetime
    kernel_forbade_writing: bool
    environment_id: str
    data: str
    stack_environment: str | None
    safety: Safety
    gating: tuple[AccountGates, ...]
    limits: RiskLimits
    kill_switches: tuple[KillState, ...] | None
    restrictions: tuple[HeldRestriction, ...] | None
    gate: GateStatus
    drills: tuple[DrillRun, ...]
    chain: ChainEnd
    versions: Versions
    digests: Digests
    sources: tuple[Source, ...]
