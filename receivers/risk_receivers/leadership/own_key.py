"""Whether a service that stands by could sign the chain that it would lead.

With another key than the chain names it would lead and sign nothing, and say so only then: on the
day the leader died. So it is refused at its start, while somebody can copy the key. One that leads
at once is let go: a key that is lost for good is replaced by who leads.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from risk_policy.model.audit import Signing
from risk_receivers.audit import tables
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.note import NoteError, VerifierKey
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Server
from risk_receivers.errors import StartError
from risk_receivers.signer import files, journal
from risk_receivers.signer.errors import SignerError
from risk_receivers.signer.socket_signer import SocketSigner


def require_key_of_the_chain(place: Server, signing: Signing, data: Path, leader: str) -> None:
    """Raises StartError unless what this service would sign with is what the chain names.

    A chain or a signer that cannot be asked now says nothing against it.
    """
    known = _known(place)
    if known is None:
        return
    if signing.signer == "socket":
        where = f"riskwarden-signer at {signing.socket_path}"
        try:
            signer = SocketSigner(Path(signing.socket_path))
        except SignerError:
            return
        found = (signer.key, *((signer.next,) if signer.next else ()))
        remedy = "have both use the same signer, or the same key"
    else:
        path = data / signing.key_path
        where = str(path)
        remedy = (
            f"copy {signing.key_path} from the data folder of the one that leads, for its owner "
            "alone (chmod 600), and start again"
        )
        if not path.exists():
            raise StartError(f"{where}: is missing; {_names(known, leader)}: {remedy}")
        try:
            found = files.peek(path)
        except SignerError as error:
            raise StartError(str(error)) from error
    if known not in found:
        held = f"holds the signing key {found[0].short}"
        raise StartError(f"{where}: {held}, but {_names(known, leader)}: {remedy}")


def _names(known: VerifierKey, leader: str) -> str:
    return f"the chain that {leader} leads is signed by {known.short}"


def _known(place: Server) -> VerifierKey | None:
    try:
        with closing(tables.open_read_only(place)) as connection:
            named = journal.known_key(connection)
        return None if named is None else VerifierKey.parse(named)
    except (AuditError, NoteError, *DATABASE_ERRORS):
        return None
