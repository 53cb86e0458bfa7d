"""Proofs of what is worth a warning first and urgent later, each level an alert of its own."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_rules.proofs.board import Board, Truth

_NUDGE: Final = 1e-6
_ONE, _TWO = {"instance": "one"}, {"instance": "two"}
_MILLISECONDS: Final = 1000
_DAY: Final = 86_400.0


def disk(board: Board, phase: float) -> None:
    """One disk fills up, past both levels, and is emptied; the other stays empty."""
    own = board.policy.alerting.system
    low = round(own.disk_free_warning_pct / 100, 10)
    full = round(own.disk_free_critical_pct / 100, 10)
    around = (low + _NUDGE, low, low - _NUDGE, full, full - _NUDGE, 1.0)
    phases = [(round(value, 10), phase) for value in around]
    line = board.feed(m.DISK_FREE, {"component": "receivers", **_ONE}, *phases)
    board.feed(m.DISK_FREE, {"component": "receivers", **_TWO}, (1.0, 0))
    board.feed(m.DISK_FREE, {"component": "exporter", **_ONE}, (1.0, 0))

    def below(level: float) -> Truth:
        def truth(now: int) -> float | None:
            free = line.at(now)
            return free if free is not None and free < level else None

        return truth

    board.expect(system.DISK_LOW, below(low), {"component": "receivers"})
    board.expect(system.DISK_FULL, below(full), {"component": "receivers"})


def certificate(board: Board, phase: float) -> None:
    """It comes to its end, past both levels and beyond it, and is renewed."""
    own = board.policy.alerting.system
    soon, urgent = own.certificate_warning_days * _DAY, own.certificate_critical_days * _DAY
    ends = (2 * soon, soon - 60, urgent - 60, 0.0, 2 * soon)
    line = board.feed(m.CERTIFICATE_EXPIRES, _ONE, *[(end, phase) for end in ends])
    board.feed(m.CERTIFICATE_EXPIRES, _TWO, (3 * soon, 0))

    def below(level: float) -> Truth:
        def truth(now: int) -> float | None:
            end = line.at(now)
            left = None if end is None else max(0.0, end - now / _MILLISECONDS)
            return left if left is not None and left < level else None

        return truth

    board.expect(system.CERTIFICATE_EXPIRING, below(soon))
    board.expect(system.CERTIFICATE_ENDING, below(urgent))
