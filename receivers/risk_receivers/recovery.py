"""Bring store, chain, spool and published gate together at start, in one transaction.

Each of them may know of a trip that the others do not, and each may have been damaged. Whatever
any of them holds is in force afterwards, in the tightest mode that any of them knows, but for a
kill of which the record says that it was cleared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Final
from uuid import uuid4

from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.contracts import gate as gate_contract
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.note import VerifierKey
from risk_receivers.config_changes import record_policy
from risk_receivers.errors import SpoolError, StartError
from risk_receivers.kill.alert_keys import ids_on_record
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.journal import load
from risk_receivers.kill.spool import Spool
from risk_receivers.kill.switch import KillSwitch, Phase
from risk_receivers.kill.trip import UnknownKill
from risk_receivers.ledger import Ledger
from risk_receivers.restrictions.held import InForce
from risk_receivers.restrictions.recording import in_force
from risk_receivers.signer.journal import introduce
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction, Writer

_START_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Recovered:
    """What is in force, and what was found changed behind the service's back."""

    state: KillBoard
    held: InForce
    problems: tuple[str, ...]


def recover(
    policy: Policy,
    data: Path,
    writer: Writer,
    ledger: Ledger,
    spool: Spool,
    *,
    found_halted: bool,
    signing_key: VerifierKey | None = None,
) -> Recovered:
    """Make it so, on record. Raises StartError or StoreError.

    ``signing_key`` is what the chain is signed with from its first record on, if that is known.
    """
    kills = policy.alerting.kill_switch
    automatic = Automatic(kills.mode, kills.automatic_scope)
    try:
        spool.open()
    except SpoolError as error:
        raise StartError(str(error)) from error
    pending = spool.pending
    published = gate_contract.read_detail(data / "gate")

    def work(transaction: Transaction) -> Recovered:
        _record_start(
            transaction,
            policy,
            version=version("riskwarden"),
            # False: nobody noted how far the chain went, or somebody took the note away.
            details={"spooled_trips": len(pending), "end_is_proven": writer.end_is_proven},
        )
        if signing_key is not None:
            introduce(transaction, signing_key)
        problems = ledger.restore_kills(transaction)
        problems += ledger.restricting.restore(transaction)
        ids = ids_on_record(transaction.connection, pending, automatic)
        ledger.merge_spool(transaction, pending)
        for found in _held(
            published, found_halted=found_halted, on_record=load(transaction.connection)
        ):
            held = replace(found, kill_id=ids.get(found.kill_id, found.kill_id))
            ledger.adopt(
                transaction, held, f"gate:{held.kill_id}:{held.mode}", "the published gate"
            )
        return Recovered(load(transaction.connection), in_force(transaction), problems)

    try:
        recovered = writer.run(work, _START_SECONDS)
    except StoreError:
        raise
    except Exception as error:  # whatever is wrong with what is on record: do not open the gate
        raise StartError(f"{data}: the recorded state cannot be recovered: {error}") from error
    spool.merged(pending)
    return recovered


def _held(
    published: gate_contract.GateDetail | None, *, found_halted: bool, on_record: KillBoard
) -> list[KillSwitch]:
    """What the gate held when it was taken over."""
    held = [
        KillSwitch(
            *(Phase.TRIPPED, kill.id, kill.mode, kill.cause, kill.level, kill.since),
            scope=kill.scope,
        )
        for kill in (published.kills if published else ())
    ]
    if (
        found_halted
        and not any(one.scope.is_everything for one in held)
        and not on_record.everything.is_tripped
    ):
        # Whoever wrote HALT had a reason, and all that is left of it is that it was so.
        held.append(
            KillSwitch(
                Phase.TRIPPED,
                str(uuid4()),
                UnknownKill.mode,
                "HALT found at the gate, without a reason that can be read",
                Severity.EMERGENCY.value,
                utc_now(),
            )
        )
    return held


def _record_start(
    transaction: Transaction, policy: Policy, *, version: str, details: Mapping[str, JsonValue]
) -> None:
    """Record that the service started, and whether on another policy than before."""
    transaction.append(
        AuditEvent(
            EventType.SERVICE_STARTED,
            f"receivers {version} started on policy {policy.short_digest}",
            category=Category.SYSTEM,
            details={"version": version, "policy_digest": policy.digest, **details},
        )
    )
    record_policy(transaction, policy)
