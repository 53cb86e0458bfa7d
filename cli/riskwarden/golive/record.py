"""The record looked at whole, and a backup of it put back where it disturbs nobody.

Invariant: what is restored never lies in the stack's own folder, nor is its signer touched,
wherever the policy has either. The scratch folder and all in it are gone afterwards.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import typer

from risk_policy import Policy, UnsetVariableError
from risk_receivers.audit.chain import Head
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.verifier import Verification
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place, path_of
from risk_receivers.errors import ReceiversError, StartError
from risk_receivers.prometheus_witness import seen_heads
from risk_receivers.store.backup import BackupError
from risk_receivers.store.own import in_a_folder_of_its_own
from risk_receivers.store.places import named_place
from risk_receivers.store.receipt import ReceiptError
from risk_receivers.verification import verify_store
from riskwarden.commands.audit.backup import back_up
from riskwarden.commands.audit.common import progress_bar
from riskwarden.commands.audit.restore import restored
from riskwarden.golive.evidence import Rehearsed
from riskwarden.golive.finding import Finding, NotKnownError, failed
from riskwarden.golive.ground import Ground
from riskwarden.lenient import LenientPolicy
from riskwarden.on_record import NotRecordedError

_REASON: Final = "go-live checklist: it is put back elsewhere, verified and deleted"
#: The copy, what is copied from it while it is put back, what is put back, and its log.
_TIMES_AS_LARGE: Final = 4
_MIB: Final = 1 << 20


def verified(ground: Ground) -> tuple[Verification, int | None]:
    """The chain, and through how many heads that Prometheus has seen. Raises NotKnownError."""
    place = _place(ground)
    lenient = LenientPolicy(Path(ground.policy.source))
    hours = ground.policy.alerting.system.audit_witness_hours
    try:
        seen = seen_heads(ground.prometheus_url, hours=hours, now=time.time())
    except ReceiversError:
        seen = []
    try:
        with progress_bar("verifying") as (progress,):
            found = verify_store(
                place,
                seen=seen,
                signing_key=ground.layout.root / lenient.signing_key,
                signer=lenient.signer_socket,
                progress=progress,
            )
    except UnreadableDatabaseError as error:
        raise NotKnownError(str(error), "run this as a user who may read the store") from error
    return found, len(seen) or None


def folders(ground: Ground) -> list[Path]:
    """Where a disk could be too full for the record: the store's own, too, if it has one."""
    root = ground.layout.root
    store = (root / LenientPolicy(Path(ground.policy.source)).database).parent
    is_another = store.is_dir() and store.stat().st_dev != root.stat().st_dev
    return [root, store] if is_another else [root]


def rehearsed(ground: Ground) -> Rehearsed | Finding:
    """A backup, put back and verified. Raises NotKnownError."""
    place, policy = _place(ground), ground.policy
    began = time.monotonic()
    try:
        with _scratch(ground, place) as scratch:
            copy = back_up(place, policy, scratch / "backup.db", _REASON)
            root = scratch / "restored"
            elsewhere = _of_a_copy(policy)
            target = named_place(elsewhere.alerting.audit, root)
            path_of(target).parent.mkdir(parents=True, mode=0o700)
            restored(scratch / "backup.db", target, elsewhere, root, None, _REASON)
            kept = Head(copy.head.size, copy.head.checksum)
            found = verify_store(target, kept=kept)
    except (NotRecordedError, StartError) as error:
        raise NotKnownError(
            f"no backup was taken: {error}", "run this as a user who may write the store"
        ) from error
    except (BackupError, ReceiptError, typer.Exit) as error:
        return failed(f"it did not come back: {error}", "take no risk before: docs/backup.md")
    except (*DATABASE_ERRORS, OSError, ReceiversError) as error:
        raise NotKnownError(
            f"no backup could be taken and put back: {error}", "name a folder with --scratch"
        ) from error
    return Rehearsed(copy.head, copy.size, found, time.monotonic() - began)


def _of_a_copy(policy: Policy) -> Policy:
    """A backup is one file, wherever the store is kept that it was taken of."""
    own = in_a_folder_of_its_own(policy)
    audit = own.alerting.audit.model_copy(update={"storage_backend": "sqlite"})
    return own.model_copy(update={"alerting": own.alerting.model_copy(update={"audit": audit})})


@contextmanager
def _scratch(ground: Ground, place: Place) -> Iterator[Path]:
    under = ground.scratch or Path(tempfile.gettempdir())
    free, needed = shutil.disk_usage(under).free, 0
    if isinstance(place, Path):
        needed = place.stat().st_size * _TIMES_AS_LARGE
    if free < needed:
        raise NotKnownError(
            f"{under}: {needed // _MIB} MiB are needed to put a backup back, and "
            f"{free // _MIB} MiB are free",
            "name a folder with more room with --scratch",
        )
    with tempfile.TemporaryDirectory(prefix="riskwarden-golive-", dir=under) as folder:
        yield Path(folder)


def _place(ground: Ground) -> Place:
    """Where the record is kept, as the policy says. Raises NotKnownError."""
    ground.require_folder()
    try:
        place = LenientPolicy(Path(ground.policy.source)).place(ground.layout.root)
    except UnsetVariableError as error:
        raise NotKnownError(
            f"alerting.audit.postgresql.dsn: {error}", "set it here, too"
        ) from error
    if isinstance(place, Path) and not place.is_file():
        raise NotKnownError(
            f"{place}: there is no such store, or not for you to read",
            "name the folder of the receivers with --data",
        )
    return place
