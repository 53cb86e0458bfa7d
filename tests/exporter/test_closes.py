"""Daily closes for every account: from a file, over HTTP, and what becomes of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from risk_exporter import ClosesFileError, RiskExporter, StateError
from risk_exporter.closes_file import load_closes
from risk_runtime.prices import closes_of, load_prices

PATH = "/api/v1/closes"
Ask = Callable[..., Any]
Make = Callable[[], RiskExporter]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def put(text: str) -> Path:
        path = tmp_path / "closes.csv"
        path.write_bytes(text.encode())
        return path

    return put


@pytest.fixture
def closes(clock: Any) -> dict[str, float]:
    """A hundred days up to yesterday."""
    days = [(clock.now - timedelta(days=100 - n)).date().isoformat() for n in range(100)]
    return {day: 100.0 - 10 * (n % 2) for n, day in enumerate(days)}


# -- the file --------------------------------------------------------------------------------


def test_a_file_of_closes_is_read_in_any_order_of_rows_and_columns(write: Any) -> None:
    path = write(
        "\ufeffSymbol, close ,date,note\r\n"
        "B,2,2026-01-05,x\r\n"
        "\r\n"
        'A,1.5,2026-01-05,"a, b"\r\n'
        "A,1,2026-01-02,\r\n"
    )
    assert load_closes(path) == {
        "B": {"2026-01-05": 2.0},
        "A": {"2026-01-05": 1.5, "2026-01-02": 1.0},
    }


def test_a_price_file_of_the_paper_runtime_is_a_file_of_closes() -> None:
    path = Path(str(files("risk_runtime") / "data" / "prices_2006_2009.csv"))
    assert load_closes(path) == closes_of(load_prices().days)


HEADER = "date,symbol,close\n"


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("", "line 1: ", "a header with the columns date, symbol (or ticker) and close"),
        ("date,close\n", "line 1: ", "'date,close'"),
        ("date,symbol,ticker,close\n", "line 1: ", "each once"),
        ("date,symbol,close,close\n", "line 1: ", "each once"),
        (HEADER, "closes.csv: ", "holds no closes"),
        (HEADER + "2026-01-02,A\n", "line 2: ", "has 2 fields, the header 3"),
        (HEADER + "02.01.2026,A,1\n", "line 2, column date: ", "write it as YYYY-MM-DD"),
        (HEADER + "2026-02-30,A,1\n", "line 2, column date: ", "'2026-02-30' is no day"),
        (HEADER + "2026-W01-5,A,1\n", "line 2, column date: ", "'2026-W01-5' is no day"),
        (HEADER + "2026-01-02,a/b,1\n", "line 2, column symbol: ", "'a/b' is no symbol"),
        (HEADER + "2026-01-02,,1\n", "line 2, column symbol: ", "'' is no symbol"),
        ("date,ticker,close\n2026-01-02, ,1\n", "line 2, column ticker: ", "is no symbol"),
        (HEADER + "2026-01-02,A,\n", "line 2, column close: ", "a positive number is expected"),
        (HEADER + "2026-01-02,A,nan\n", "line 2, column close: ", "'nan' is no price"),
        (HEADER + "2026-01-02,A,1e999\n", "line 2, column close: ", "'1e999' is no price"),
        (HEADER + "2026-01-02,A,-3\n", "line 2, column close: ", "'-3' is no price"),
        (
            HEADER + "2026-01-02,A,1\n2026-01-02,A,1\n",
            "line 3, column symbol: ",
            "A already has a close on 2026-01-02",
        ),
        (HEADER + '2026-01-02,"A,1\n', "line 2: ", "is not CSV"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_line_and_column(
    write: Any, text: str, place: str, problem: str
) -> None:
    path = write(text)
    with pytest.raises(ClosesFileError) as error:
        load_closes(path)
    assert str(error.value).startswith(str(path))
    assert place in str(error.value)
    assert problem in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClosesFileError, match=r"none\.csv: cannot be read: No such file"):
        load_closes(tmp_path / "none.csv")
    (tmp_path / "x.csv").write_bytes(b"date,symbol,close\n\xff")
    with pytest.raises(ClosesFileError, match="is not UTF-8 at byte 18"):
        load_closes(tmp_path / "x.csv")


# -- every account ---------------------------------------------------------------------------


def test_closes_of_the_market_hold_for_accounts_that_are_known_and_that_are_to_come(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, closes: dict[str, float]
) -> None:
    before = exporter.observe(book(2_000, holding(), account="known"))
    assert before.var_covered_ratio == 0
    exporter.seed_market_closes({"AAPL": closes})
    clock.advance(seconds=1)
    for account in ("known", "new"):
        x = exporter.observe(book(2_000, holding(), account=account))
        assert (x.var_sample_count, x.var_covered_ratio) == (99, 1)
        assert x.var_ratio == pytest.approx(0.05)


def test_a_symbol_bought_later_finds_the_closes_that_were_given_before(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any, closes: dict[str, float]
) -> None:
    exporter.seed_market_closes({"AAPL": closes, "IBM": closes})
    exporter.observe(book(2_000, holding()))
    clock.advance(seconds=1)
    x = exporter.observe(book(2_000, holding(), holding("IBM")))
    assert x.var_covered_ratio == 1
    assert x.var_ratio == pytest.approx(0.1)


def test_closes_that_are_not_to_be_remembered_are_gone_after_a_restart(
    new_exporter: Make, book: Any, holding: Any, clock: Any, closes: dict[str, float]
) -> None:
    first = new_exporter()
    first.seed_market_closes({"AAPL": closes})
    first.seed_market_closes({"IBM": closes}, remember=True)
    first.close()
    second = new_exporter()
    x = second.observe(book(2_000, holding("AAPL"), holding("IBM")))
    assert (x.var_uncovered_positions, x.var_sample_count) == (1, 99)


def test_damaged_closes_of_the_market_are_an_error_that_says_what_to_do(
    new_exporter: Make, closes: dict[str, float], state_dir: Path
) -> None:
    first = new_exporter()
    first.seed_market_closes({"IBM": closes}, remember=True)
    first.close()
    (kept,) = state_dir.glob(".market*")
    kept.write_text('{"IBM": {"2026-01-02": -1}}')
    with pytest.raises(StateError, match="restore it, or remove it and send the closes again"):
        new_exporter()
    kept.unlink()
    new_exporter()


def test_a_closed_exporter_takes_no_closes(new_exporter: Make) -> None:
    exporter = new_exporter()
    exporter.close()
    with pytest.raises(StateError, match="make a new one"):
        exporter.seed_market_closes({"A": {"2026-01-02": 1.0}}, remember=True)


# -- over HTTP -------------------------------------------------------------------------------


@pytest.fixture
def send(ask: Ask, server: Any, token: str) -> Ask:
    def put(content: object, authorization: str = f"Bearer {token}") -> Any:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return ask("POST", PATH, body, Authorization=authorization)

    return put


def test_closes_sent_over_http_count_from_the_next_snapshot_on(
    send: Ask, post: Ask, body: dict[str, Any], closes: dict[str, float]
) -> None:
    reply = send({"AAPL": closes, "IBM": closes})
    assert (reply.status, reply.json) == (200, {"symbols": 2, "closes": 200})
    x = post(body).json
    assert (x["var_sample_count"], x["var_covered_ratio"]) == (99, 1)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic {}", "Bearer {}x"])
def test_closes_need_the_token(
    send: Ask, exporter: RiskExporter, scrape: Any, token: str, state_dir: Path, authorization: str
) -> None:
    reply = send({"A": {"2026-01-02": 1}}, authorization.format(token))
    assert reply.status == 401
    assert token not in reply.text
    assert not list(state_dir.glob(".market*"))
    # Nobody missed a snapshot.
    rejected = scrape(exporter).value("risk_snapshots_rejected_total", reason="unauthorized")
    assert rejected == 0


@pytest.mark.parametrize(
    ("content", "path", "message"),
    [
        ([], "", "must be an object"),
        ({"A": 1}, "A", "must be an object"),
        ({"A": {"2026-01-02": 0}}, "A.2026-01-02", "greater than 0"),
        ({"A": {"2026-01-02": True}}, "A.2026-01-02", "not true or false"),
        ({"A": {"2026-01-02": "much"}}, "A.2026-01-02", "must be a number"),
        ({"A": {"2026-01-02": 10**400}}, "A.2026-01-02", "must be a"),
        ({"A": {"2026-02-30": 1}}, "A.2026-02-30", "write it as YYYY-MM-DD"),
        ({"A": {"2026-W01-5": 1}}, "A.2026-W01-5", "write it as YYYY-MM-DD"),
        ({"A": {"today": 1}}, "A.today", "write it as YYYY-MM-DD"),
        ({"a/b": {"2026-01-02": 1}}, "a/b", "must be 1 to 64 letters"),
    ],
)
def test_closes_that_cannot_be_used_are_named_by_symbol_and_day(
    send: Ask, state_dir: Path, content: object, path: str, message: str
) -> None:
    reply = send(content)
    assert reply.status == 400
    assert message in reply.problem(path)
    assert not list(state_dir.glob(".market*"))


@pytest.mark.parametrize("content", [{}, {"A": {}}, b"{", b""])
def test_a_body_without_closes_is_told_what_to_send(send: Ask, content: object) -> None:
    assert send(content).status == 400


def test_closes_that_cannot_be_stored_are_not_taken_in(
    send: Ask, post: Ask, body: dict[str, Any], closes: dict[str, float], state_dir: Path
) -> None:
    obstacle = state_dir / ".market-closes.json.new"
    obstacle.mkdir()
    reply = send({"AAPL": closes})
    assert reply.status == 503
    assert "the closes are not stored" in reply.json["error"]
    assert post(body).json["var_sample_count"] == 0
    obstacle.rmdir()
    assert send({"AAPL": closes}).status == 200


def test_only_post_is_for_closes_and_only_with_a_sidecar(
    ask: Ask, exporter: RiskExporter, server: Any
) -> None:
    reply = ask("GET", PATH)
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    assert PATH in ask("GET", "/nowhere").json["error"]
