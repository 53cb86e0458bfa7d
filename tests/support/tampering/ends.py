"""Attacks on the end of the chain, and on the chain as a whole."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from tampering import story
from tampering.case import Case, Layer
from tampering.forger import Forger, Key
from tampering.story import BREACH


def _relink(forger: Forger) -> None:
    forger.edit_payload(BREACH, "15.8 %", "5.8 %")
    forger.rehash_payload(BREACH)
    forger.relink(BREACH)


def _relink_unsigned(forger: Forger) -> None:
    _relink(forger)
    forger.run("DELETE FROM audit_checkpoint")
    forger.forget()


def _relink_and_deny(forger: Forger) -> None:
    forger.edit_header(2, event_type="ALERT_RESOLVED")
    _relink(forger)
    forger.relink(2)
    forger.run("DELETE FROM audit_checkpoint")
    forger.forget()


def _relink_with_a_key_of_his_own(forger: Forger) -> None:
    key = Key("riskwarden/audit", b"attackers own key, 32 bytes long")
    forger.edit_payload(2, forger.public_key, key.verifier)
    forger.rehash_payload(2)
    _relink(forger)
    forger.relink(2)
    forger.sign_anew(key)
    forger.forget()


def _relink_and_start(forger: Forger) -> None:
    _relink_unsigned(forger)
    forger.forge(forger.last + 1, "the receivers are up", {"event_type": "SERVICE_STARTED"})
    forger.note_head()


def _relink_and_have_it_signed(forger: Forger) -> None:
    _relink_and_deny(forger)
    forger.run("DELETE FROM fact WHERE name = 'signing_key'")
    story.go_on(forger.data, "the clerk knows nothing of it")


def _relink_with_keys_that_took_over(forger: Forger) -> None:
    first, second = (
        Key("riskwarden/audit", f"attackers {n}. key, 32 bytes long.".encode()) for n in "12"
    )
    sizes = [size for size in sorted(forger.checkpoints()) if size > 5]
    _relink(forger)
    forger.hand_over(4, forger.public_key, first.verifier)
    forger.hand_over(5, first.verifier, second.verifier)
    forger.relink(4)
    forger.sign_anew(second, *sizes)
    forger.sign_beside(sizes[0], first)
    forger.forget()


def _relink_with_the_stolen_key(forger: Forger) -> None:
    _relink(forger)
    forger.sign_anew(Key.stolen(forger.key_file), max(forger.checkpoints()))
    forger.forget()


def _rewrite_with_the_stolen_key(forger: Forger) -> None:
    _relink(forger)
    forger.sign_anew(Key.stolen(forger.key_file))
    forger.forget()


def _drop_newest(forger: Forger) -> None:
    *_, kept, _ = sorted(forger.checkpoints())
    forger.remove(*range(kept + 1, forger.last + 1))
    forger.run("DELETE FROM audit_checkpoint WHERE size > ?", kept)
    forger.note_head()


def _restore(forger: Forger) -> None:
    for file in _files(forger.old):
        shutil.copyfile(file, forger.data / file.relative_to(forger.old))


def _empty(forger: Forger) -> None:
    for table in ("audit_payload", "audit_header", "audit_checkpoint", "kill_event"):
        forger.run(f"DELETE FROM {table}")  # noqa: S608 - constants
    forger.head_file.unlink()
    forger.forget()


def _fork(forger: Forger) -> None:
    for file in _files(forger.old):
        if file.name in ("audit.db", "audit.db.head"):
            shutil.copyfile(file, forger.data / file.relative_to(forger.old))
    for _ in range(8):
        forger.add("all is quiet")
    forger.note_head()


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


CASES: Final = (
    Case(
        "relink",
        "edits a payload and recomputes every hash, the whole chain and the noted head",
        _relink,
        (Layer.CHECKPOINT,),
    ),
    Case(
        "+ delete checkpoints",
        "and deletes all checkpoints, and what the signer remembers",
        _relink_unsigned,
        (Layer.UNSIGNED,),
    ),
    Case(
        "+ deny the signing",
        "and the record that tells that the chain is signed",
        _relink_and_deny,
        (Layer.PINNED,),
    ),
    Case(
        "+ fresh start",
        "or leaves that, and records at the end that the service has just started",
        _relink_and_start,
        (Layer.UNSIGNED,),
    ),
    Case(
        "+ have it signed",
        "or denies it, and starts the service, which begins to sign what it finds",
        _relink_and_have_it_signed,
        (Layer.WITNESS,),
    ),
    Case(
        "+ keys that took over",
        "or puts on record that the key was rotated to his first, and on to his second, and signs "
        "everything with those",
        _relink_with_keys_that_took_over,
        (Layer.SIGNATURE,),
    ),
    Case(
        "+ attacker key",
        "or puts a key of his own on record and signs everything with that",
        _relink_with_a_key_of_his_own,
        (Layer.PINNED,),
    ),
    Case(
        "+ stolen key",
        "or signs the end of it with the stolen key, and takes away what the signer remembers",
        _relink_with_the_stolen_key,
        (Layer.CHECKPOINT,),
    ),
    Case(
        "full rewrite with stolen key",
        "or signs every checkpoint anew with the stolen key",
        _rewrite_with_the_stolen_key,
        (Layer.WITNESS,),
    ),
    Case(
        "drop newest",
        "deletes the newest records with their checkpoints, and notes the head that is left",
        _drop_newest,
        (Layer.MEMORY,),
    ),
    Case(
        "restore old backup",
        "puts back an old copy of the whole data folder, what the signer remembers too",
        _restore,
        (Layer.WITNESS,),
    ),
    Case(
        "empty log",
        "empties the tables, and takes away the noted head and what the signer remembers",
        _empty,
        (Layer.PINNED,),
    ),
    Case(
        "fork",
        "goes on from an old copy with other records, well linked, up to a greater length",
        _fork,
        (Layer.CHECKPOINT,),
    ),
)
