"""Crashes and full disks: whatever happens while closing, the account ends flat and it is told."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from risk_runtime.errors import AccountStoreError
from risk_runtime.paper.account import AccountStore, StoredAccount
from risk_runtime.paper.broker import TradingMode

SYMBOLS = 5


class Crash(BaseException):
    """The process is gone."""


class CrashingStore(AccountStore):
    """Stores the account until a given time, and dies just before or just after that."""

    def __init__(self, directory: Path, saves: int, *, before: bool) -> None:
        super().__init__(directory)
        self.left = saves
        self.before = before

    def save(self, account: StoredAccount) -> None:
        self.left -= 1
        if self.left < 0 and self.before:
            raise Crash
        super().save(account)
        if self.left < 0:
            raise Crash


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("act", range(12))
def test_a_crash_at_any_act_of_closing_ends_flat_after_the_restart_with_nothing_untold(
    rig: Any, writer: Any, act: int, before: bool
) -> None:
    writer.open(seconds=59)
    rig.last = date(2007, 1, 31)
    rig.run()
    writer.kill()
    rig.last = date(2007, 2, 2)
    rig.store = CrashingStore(rig.data, act, before=before)
    with pytest.raises(Crash):
        rig.run()
    rig.store = None
    runtime = rig.run()
    assert not runtime.broker.holdings
    assert not runtime.broker.working
    assert runtime.broker.mode is TradingMode.HALTED
    told = {report.id: report for report in rig.reports}
    kinds = [report.kind for report in told.values()]
    assert kinds.count("position_closed") == SYMBOLS, "each once, whatever was repeated"
    assert kinds.count("flat_confirmed") == 1
    assert kinds.count("orders_cancelled") == 2


def test_an_account_that_cannot_be_stored_does_not_stop_the_closing(
    rig: Any, writer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class FullDisk(AccountStore):
        def save(self, account: StoredAccount) -> None:
            raise AccountStoreError(f"no space left for {account.account}")

    writer.open(seconds=59)
    rig.last = date(2007, 1, 31)
    rig.run()
    writer.kill()
    rig.store = FullDisk(rig.data)
    assert not rig.run().broker.holdings
    assert "flat_confirmed" in [report.kind for report in rig.reports]
    assert "the account is not stored" in caplog.text
