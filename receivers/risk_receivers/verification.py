"""Verify all that is on record: the chain, its noted head, and the kill switch's table by it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from risk_receivers.audit.chain import Head
from risk_receivers.audit.checkpoint_table import StoredCheckpoint
from risk_receivers.audit.note import VerifierKey
from risk_receivers.audit.verifier import Verification
from risk_receivers.audit.verify import Progress, verify_database
from risk_receivers.database.place import Place, path_of
from risk_receivers.kill import chain as kill_chain
from risk_receivers.signer.errors import SignerError, SignerFilesError
from risk_receivers.signer.files import read_state, state_path
from risk_receivers.signer.socket_signer import SocketSigner
from risk_receivers.store import head_file

#: Somebody waits for the verification, and it is worth something without the answer.
_SIGNER_SECONDS: Final = 3.0


def verify_store(
    database: Place,
    *,
    kept: Head | None = None,
    seen: Sequence[Head] = (),
    pinned: Sequence[VerifierKey] = (),
    signing_key: Path | None = None,
    signer: Path | None = None,
    progress: Progress | None = None,
    keep: int = 10,
    processes: int = 1,
) -> Verification:
    """Verify a database of this service, also while it runs. Raises UnreadableDatabaseError.

    ``kept`` is a head that somebody has kept elsewhere, ``seen`` are those that a Prometheus has,
    ``pinned`` are keys that somebody has. Beside the ``signing_key``, which is not opened, the
    signer keeps what it has signed last; one that is a process of its own is asked for that at its
    socket, ``signer``.
    ``keep`` is how many problems are told one by one; more ``processes`` help with long chains.
    """
    noted = None
    complaints: list[str] = []
    warnings: list[str] = []
    last = None
    if signer is not None:
        last = _asked(signer, warnings)
    elif signing_key is not None:
        last = _last_signed(signing_key, warnings)
    try:
        noted = head_file.read(path_of(database))  # first: the chain may only have grown since
    except head_file.NotedHeadError as error:
        # Who may not read it knows less; that is no damage.
        told = warnings if isinstance(error.__cause__, PermissionError) else complaints
        told.append(str(error))
    else:
        if noted is None:
            warnings.append(_unproven(database, kept))
    return verify_database(
        database,
        progress=progress,
        expected=noted,
        kept=kept,
        seen=seen,
        pinned=pinned,
        last=last,
        checks=(lambda _: complaints, kill_chain.disagreements),
        warnings=warnings,
        keep=keep,
        processes=processes,
    )


def _last_signed(signing_key: Path, warnings: list[str]) -> StoredCheckpoint | None:
    path = state_path(signing_key)
    try:
        if not os.access(path, os.R_OK):
            return None  # another user's; the stored checkpoints are what is left
        state = read_state(path)
    except SignerFilesError as error:
        warnings.append(str(error))
        return None
    return StoredCheckpoint(state.size, state.note) if state.note else None


def _asked(signer: Path, warnings: list[str]) -> StoredCheckpoint | None:
    try:
        state = SocketSigner(signer, _SIGNER_SECONDS).latest()
    except SignerError as error:
        warnings.append(f"what was signed last is not known: {error}")
        return None
    return StoredCheckpoint(state.size, state.note) if state.note else None


def _unproven(database: Place, kept: Head | None) -> str:
    file = head_file.path_beside(path_of(database)).name
    if kept is None:
        return (
            f"no head was noted beside it ({file} is missing or empty): a cut-off end cannot be "
            "seen; compare with a head that was kept elsewhere"
        )
    return (
        f"no head was noted beside it ({file} is missing or empty): what was cut off behind "
        f"record {kept.size} cannot be seen"
    )
