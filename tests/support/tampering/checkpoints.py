"""Attacks on the signed checkpoints alone."""

from __future__ import annotations

from typing import Final

from tampering.case import Case, Layer
from tampering.forger import Forger


def _delete(forger: Forger) -> None:
    _, second, *_ = sorted(forger.checkpoints())
    forger.run("DELETE FROM audit_checkpoint WHERE size = ?", second)


def _alter_size(forger: Forger) -> None:
    sizes = sorted(forger.checkpoints())
    newest, other = sizes[-1], sizes[-1] - 1
    with forger.at_the_tables() as tables:
        (note,) = tables.execute(
            "SELECT note FROM audit_checkpoint WHERE size = ?", (newest,)
        ).fetchone()
        changed = note.replace(f"\n{newest}\n".encode(), f"\n{other}\n".encode())
        tables.execute(
            "UPDATE audit_checkpoint SET size = ?, note = ? WHERE size = ?",
            (other, changed, newest),
        )
    forger.forget()


CASES: Final = (
    Case(
        "delete checkpoints",
        "deletes a checkpoint between others",
        _delete,
        (Layer.MISSING,),
    ),
    Case(
        "alter checkpoint size",
        "has the newest checkpoint say that it is about one record less",
        _alter_size,
        (Layer.SIGNATURE, Layer.CHECKPOINT),
    ),
)
