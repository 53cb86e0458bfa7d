"""Whether a service that stands by could sign the chain that it would lead.

With another key than the chain names it would lead and sign nothing, and say so only then: on the
day the leader died. So it is refused at its start, while somebody can copy the key. One that leads
at once is let go: a key that is lost for good is replaced by who leads.

The same holds of what it remembers to have signed: by a key that was replaced since, it keeps the
new one from signing.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from risk_policy.model.audit import Signing
from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.note import Note, NoteError, VerifierKey
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Server
from risk_receivers.signer import files, journal
from risk_receivers.signer.errors import SignerError
from risk_receivers.signer.socket_signer import SocketSigner


def why_not_the_chains(place: Server, signing: Signing, data: Path, leader: str) -> str:
    """Why what this service would sign with is not what the chain names; empty if it is.

    A chain or a signer that cannot be asked now says nothing against it.
    """
    known, newest = _known(place)
    if known is None:
        return ""
    memory = b""
    if signing.signer == "socket":
        where = f"riskwarden-signer at {signing.socket_path}"
        try:
            signer = SocketSigner(Path(signing.socket_path))
        except SignerError:
            return ""
        found = (signer.key, *((signer.next,) if signer.next else ()))
        with suppress(SignerError):
            memory = signer.latest().note
        remembers = f"{where}: the .state file beside its key"
        remedy = "have both use the same signer, or the same key"
    else:
        path = data / signing.key_path
        where = str(path)
        remembers = str(files.state_path(path))
        remedy = (
            f"copy {signing.key_path} from the data folder of the one that leads, for its owner "
            "alone (chmod 600), and start again"
        )
        if not path.exists():
            return f"{where}: is missing; {_names(known, leader)}: {remedy}"
        try:
            found = files.peek(path)
            memory = files.read_state(files.state_path(path)).note
        except SignerError as error:
            return str(error)
    if known not in found:
        held = f"holds the signing key {found[0].short}"
        return f"{where}: {held}, but {_names(known, leader)}: {remedy}"
    if memory and memory != newest and not _is_by(memory, found):
        return (
            f"{remembers}: what was signed last here is by a key that was replaced since, and with "
            "it nothing more would be signed: move it away, and start again"
        )
    return ""


def _names(known: VerifierKey, leader: str) -> str:
    return f"the chain that {leader} leads is signed by {known.short}"


def _known(place: Server) -> tuple[VerifierKey | None, object]:
    """The key that the chain names, and the newest checkpoint that is stored."""
    try:
        with closing(tables.open_read_only(place)) as connection:
            named, newest = journal.known_key(connection), checkpoint_table.newest(connection)
        return VerifierKey.parse(named) if named else None, newest.note if newest else None
    except (AuditError, NoteError, *DATABASE_ERRORS):
        return None, None


def _is_by(note: bytes, keys: Sequence[VerifierKey]) -> bool:
    try:
        return bool(Note.parse(note).signed_by(keys))
    except NoteError:
        return False
