"""The trade gate, the kill switches and what alerts hold: as published, and as recorded.

Both are told. What either of them has is held: that the other lacks it is said, and loosens
nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_policy.contracts.gate import GateDetail
from risk_policy.contracts.restriction import Kill, RestrictionKind
from risk_policy.contracts.safety_snapshot import GateStatus, HeldRestriction, KillState
from risk_receivers.kill.switch import KillSwitch, Phase
from risk_runtime.gate import TradeGate
from risk_runtime.gate_reading import GateState
from riskwarden.safety_snapshot.sources import Content, Sources, content_of, reason_of
from riskwarden.safety_snapshot.store import Stored

UNKNOWN: Final = "unknown"
_NS: Final = 1_000_000_000
_NAME: Final = "gate"


@dataclass(frozen=True, slots=True)
class PublishedGate:
    """What stands in the gate's folder.

    Attributes:
        detail: what it says beside the lease; None if that cannot be read.
        content: the same as bytes.
    """

    status: GateStatus
    detail: GateDetail | None
    content: Content | None


def read_gate(folder: Path, sources: Sources) -> PublishedGate:
    """The gate as a runtime sees it."""
    content = sources.file(f"{_NAME} (reasons)", folder / contract.DETAIL_FILE)
    detail = _detail(content)
    seconds, longest = _lease(folder / contract.LEASE_FILE, sources)
    reading = TradeGate(folder).read()
    is_open = reading.state is GateState.OPEN
    return PublishedGate(
        GateStatus(
            folder=str(folder),
            state=reading.state.value,
            adds_risk="allowed" if is_open else "refused",
            reason=reading.reason,
            version=reading.version or (detail.version if detail else 0),
            lease_seconds=seconds,
            longest_lease_seconds=longest,
            kill_order=marker.is_ordered(folder),
            published_at=detail.written_at if detail else None,
        ),
        detail,
        content,
    )


def _detail(content: Content | None) -> GateDetail | None:
    if content is None or len(content.data) > contract.LONGEST_DETAIL_BYTES:
        return None
    try:
        return GateDetail.model_validate_json(content.data)
    except ValueError:
        return None


def _lease(path: Path, sources: Sources) -> tuple[float | None, float | None]:
    """How long it still runs and how long one can be, if it is of this machine's current start."""
    name = f"{_NAME} (lease)"
    try:
        content = content_of(path)
    except FileNotFoundError:
        sources.absent(name, path)
        return None, None
    except OSError as error:
        sources.unreadable(name, path, reason_of(error))
        return None, None
    if (fault := contract.fault(content.data, contract.boot_id())) is not None:
        sources.unreadable(name, path, f"it {fault}")
        return None, None
    words = memoryview(content.data).cast("Q")
    longest = words[contract.LONGEST_WORD] / _NS
    lease = words[contract.LEASE_WORD]
    if lease == contract.HALT:
        sources.read(name, path, content.written_at)
        return None, longest
    seconds = round((lease - contract.now_ns()) / _NS, 3)
    # It is renewed in memory, which moves no time of the file: what it grants says how old it is.
    sources.read(name, path, sources.clock() - timedelta(seconds=max(0.0, -seconds)))
    return seconds, longest


def kill_states(stored: Stored | None, detail: GateDetail | None) -> tuple[KillState, ...] | None:
    """The switch of every scope; None if nothing is known of any."""
    if stored is None and detail is None:
        return None
    at_gate = {str(one.scope): one for one in detail.kills} if detail else {}
    recorded: dict[str, KillSwitch] = {}
    if stored is not None:
        board = stored.kills
        recorded = {str(one.scope): one for one in (board.everything, *board.narrower.values())}
    scopes = sorted({"*", *at_gate, *recorded}, key=lambda scope: (scope != "*", scope))
    return tuple(_kill(scope, recorded.get(scope), at_gate.get(scope), detail) for scope in scopes)


def _kill(
    scope: str, recorded: KillSwitch | None, kill: Kill | None, detail: GateDetail | None
) -> KillState:
    on_record = None if recorded is None else recorded.is_tripped
    at_gate = None if detail is None else kill is not None
    if recorded is not None and recorded.is_tripped:
        return KillState(
            scope=scope,
            state=recorded.phase.value,
            mode=recorded.mode.value if recorded.mode else None,
            kill_id=recorded.kill_id,
            cause=recorded.cause,
            level=recorded.level,
            since=recorded.since,
            on_record=on_record,
            at_gate=at_gate,
        )
    if kill is not None:
        return KillState(
            scope=scope,
            state=Phase.TRIPPED.value,
            mode=kill.mode.value,
            kill_id=kill.id,
            cause=kill.cause,
            level=kill.level,
            since=kill.since,
            on_record=on_record,
            at_gate=at_gate,
        )
    state = recorded.phase.value if recorded else UNKNOWN
    return KillState(scope=scope, state=state, on_record=on_record, at_gate=at_gate)


def restrictions(
    stored: Stored | None, detail: GateDetail | None
) -> tuple[HeldRestriction, ...] | None:
    """What alerts hold; None if nothing is known of it."""
    if stored is None and detail is None:
        return None
    return tuple(sorted(_held(stored, detail), key=lambda one: (one.since, one.id)))


def _held(stored: Stored | None, detail: GateDetail | None) -> Iterator[HeldRestriction]:
    published = [
        one
        for one in (detail.known if detail else ())
        if one.kind is not RestrictionKind.KILL_SWITCH
    ]
    recorded = [one.restriction for one in stored.held] if stored else []
    by_id = {one.id: one for one in (*published, *recorded)}
    at_gate, on_record = _ids(published), _ids(recorded)
    for one in by_id.values():
        yield HeldRestriction(
            id=one.id,
            kind=one.kind.value,
            scope=str(one.scope),
            size_ratio=one.size_ratio,
            cause=one.cause,
            level=one.level,
            since=one.since,
            until=one.until.value,
            on_record=None if stored is None else one.id in on_record,
            at_gate=None if detail is None else one.id in at_gate,
        )


def _ids(restrictions: Iterable[object]) -> set[str]:
    return {str(getattr(one, "id", "")) for one in restrictions}
