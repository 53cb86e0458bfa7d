"""The stored account: whole or not at all, and never silently started anew."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from risk_policy.clock import utc_now
from risk_policy.contracts.reports import FlatConfirmed
from risk_runtime.errors import AccountStoreError
from risk_runtime.order import Side
from risk_runtime.paper.account import ACCOUNT_FILE, AccountStore, StoredAccount
from risk_runtime.paper.broker import BrokerState, PaperBroker, TradingMode


def account() -> StoredAccount:
    broker = PaperBroker(BrokerState(cash=Decimal("1000.01")))
    broker.set_mark("AAPL", Decimal("7.9897"))
    broker.market("AAPL", Side.BUY, Decimal(3))
    broker.place_limit("AAPL", Side.BUY, Decimal(1), Decimal("7.1"))
    broker.set_mode(TradingMode.REDUCING)
    return StoredAccount(
        account="main",
        broker=broker.state(),
        replayed_until=date(2008, 9, 29),
        day_number=438,
        flat_for_kill="kill-1",
        outbox=(FlatConfirmed(account="main", at=utc_now(), kill_id="kill-1"),),
    )


def test_what_is_stored_comes_back_exactly(tmp_path: Path) -> None:
    stored = account()
    AccountStore(tmp_path).save(stored)
    assert AccountStore(tmp_path).load() == stored


def test_an_account_of_before_losses_were_counted_is_read(tmp_path: Path) -> None:
    store = AccountStore(tmp_path)
    store.save(account())
    content = json.loads((tmp_path / ACCOUNT_FILE).read_text())
    del content["broker"]["losses_in_row"]
    (tmp_path / ACCOUNT_FILE).write_text(json.dumps(content))
    stored = store.load()
    assert stored is not None
    assert stored.broker.losses_in_row == 0


def test_there_is_no_account_before_the_first_is_stored(tmp_path: Path) -> None:
    assert AccountStore(tmp_path).load() is None


@pytest.mark.parametrize("content", [b"", b"{", b"{}", b'{"account":"main","broker":{"cash":"x"}}'])
def test_a_damaged_account_is_refused_instead_of_started_anew(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / ACCOUNT_FILE).write_bytes(content)
    with pytest.raises(AccountStoreError, match="move it away to start a new"):
        AccountStore(tmp_path).load()


def test_a_crash_while_replacing_leaves_the_old_account(tmp_path: Path) -> None:
    AccountStore(tmp_path).save(account())
    (tmp_path / f".{ACCOUNT_FILE}.new").write_text('{"account": "ma')
    loaded = AccountStore(tmp_path).load()
    assert loaded is not None
    assert loaded.day_number == 438


def test_a_folder_that_takes_nothing_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(AccountStoreError, match="cannot be replaced"):
        AccountStore(tmp_path / "gone").save(account())
