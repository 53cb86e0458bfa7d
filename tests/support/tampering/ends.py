"""Attacks on the end of the chain, and on the chain as a whole."""

from __future__ import annotations

import shutil
from typing import Final

from tampering.case import Case, Layer
from tampering.forger import Forger


def _relink(forger: Forger) -> None:
    forger.edit_payload(5, "15.8 %", "5.8 %")
    forger.rehash_payload(5)
    forger.relink(5)


def _drop_newest(forger: Forger) -> None:
    last = forger.last
    forger.remove(last - 2, last - 1, last)


def _restore(forger: Forger) -> None:
    for file in (forger.database, forger.head_file):
        shutil.copyfile(forger.backup / file.name, file)


def _empty(forger: Forger) -> None:
    forger.run("DELETE FROM audit_payload")
    forger.run("DELETE FROM audit_header")
    forger.run("DELETE FROM kill_event")
    forger.head_file.unlink()


CASES: Final = (
    Case(
        "relink",
        "edits a payload and recomputes every hash, the whole chain and the noted head",
        _relink,
        (Layer.WITNESS,),
        (None,),
    ),
    Case(
        "drop newest",
        "deletes the newest records",
        _drop_newest,
        (Layer.NOTED,),
        (None,),
    ),
    Case(
        "restore old backup",
        "puts back an old copy of all files, the noted head too",
        _restore,
        (Layer.WITNESS,),
        (None,),
    ),
    Case(
        "empty log",
        "empties the tables and removes the noted head",
        _empty,
        (Layer.WITNESS,),
        (None,),
    ),
)
