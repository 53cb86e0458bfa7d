"""What the audit commands share that write to the chain themselves, beside running receivers."""

from __future__ import annotations

import getpass
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, TypeAlias

import typer

from risk_policy.contracts.audit import AUDIT_COMMAND
from risk_policy.model.audit import AuditRetention
from risk_receivers.database.place import Place
from risk_receivers.retention.pruner import Pruner
from risk_receivers.retention.works import Doer
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer
from riskwarden.commands.common import fail
from riskwarden.on_record import is_a_store

ByOption: TypeAlias = Annotated[
    str | None,
    typer.Option("--by", help="Who does it, for the record; your login if not given."),
]


def who(by: str | None) -> str:
    """Who does it."""
    if by is not None and not by.strip():
        fail("--by: a name is needed, for the record")
    if by is not None:
        return by.strip()
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without an entry, as in some containers
        return f"uid {os.getuid()}"


@contextmanager
def pruner_of(path: Place, by: str | None) -> Iterator[tuple[Writer, Pruner]]:
    """What deletes and holds; its writer is not started yet, and stopped at the end.

    What it records is kept for ever, whatever the policy says.
    """
    writer = Writer(path, origin=AUDIT_COMMAND, retention=AuditRetention(), batch=1, queue_depth=10)
    try:
        yield writer, Pruner(path, writer, doer=Doer(who(by)), rest=_rest)
    finally:
        writer.stop()


def start_or_fail(writer: Writer, path: Place) -> None:
    """Begin to write, or the command ends."""
    if not is_a_store(path):
        fail(f"{path}: is a copy, which nothing writes to; nothing was changed")
    try:
        writer.start()
    except StoreError as error:
        fail(f"{error}; nothing was changed")


def _rest(seconds: float) -> bool:
    # Whoever else writes gets its turn meanwhile; Ctrl-C ends it.
    time.sleep(seconds)
    return False
