"""`riskwarden report var`, from the record and from a replay, as somebody calls it."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from risk_exporter.days import DAYS_FILE, DayRecord, Forecast
from risk_policy import default_policy_path, load_policy
from risk_runtime.prices import load_prices
from riskwarden.app import application
from riskwarden.backtest.inputs import Book, Source, read
from riskwarden.var_backtest.observations import observe
from riskwarden.var_backtest.replay import replayed_days
from riskwarden.var_backtest.verdict import judge

POLICY = load_policy(default_policy_path(), {})


def call(*arguments: object) -> Result:
    line = ["report", "var", *map(str, arguments)]
    return CliRunner().invoke(application(line), line)


def write_days(folder: Path, profits: list[float], var_ratio: float = 0.01) -> None:
    folder.mkdir(parents=True)
    equity, lines = 1_000_000.0, []
    forecast = Forecast(
        confidence_pct=99, horizon_days=1, var_ratio=var_ratio, sample_count=250,
        covered_ratio=0.75, positions_open=3,
    )  # fmt: skip
    for number, profit in enumerate([0.0, *profits]):
        equity += profit
        day = (date(2025, 1, 1) + timedelta(days=number)).isoformat()
        record = DayRecord(day=day, currency="USD", equity=equity, forecast=forecast)
        lines.append(record.model_dump_json() + "\n")
    (folder / DAYS_FILE).write_text("".join(lines))


@pytest.fixture
def exporter(tmp_path: Path) -> Path:
    """What the exporter of a data folder has kept: 250 days, of which six lost too much."""
    folder = tmp_path / "runtime" / "exporter"
    profits = [-20_000.0 if n in (10, 60, 61, 62, 63, 200) else 5_000.0 for n in range(250)]
    write_days(folder / "main", profits)
    return folder


def test_the_record_of_a_data_folder_is_judged(tmp_path: Path, exporter: Path) -> None:
    done = call("--data", tmp_path)
    assert done.exit_code == 0, done.output
    assert "Value at risk of main, backtested" in done.output
    assert "historical simulation, 99 %, one day, USD" in done.output
    assert "| latest | 250 | 6 | yellow | 0 to 4 | 5 to 9 | from 10 | 0.50 |" in done.output
    assert "Exceptions come in clusters" in done.output
    assert "3 of 6 exceptions were followed by another" in done.output
    assert "the least share covered was 75%" in done.output
    rows = re.findall(r"^\| (\d{4}-\d\d-\d\d) \| 20,000.00 \|", done.output, re.MULTILINE)
    assert rows == [
        "2025-01-12", "2025-03-03", "2025-03-04", "2025-03-05", "2025-03-06", "2025-07-21",
    ]  # fmt: skip


def test_it_is_written_as_a_page_with_a_picture(tmp_path: Path, exporter: Path) -> None:
    page = tmp_path / "var.html"
    done = call("--exporter", exporter, "--output", page)
    assert done.exit_code == 0, done.output
    text = page.read_text()
    assert len(re.findall(r"<title>exception, 2025-[^<]*</title>", text)) == 6
    assert "minus value at risk" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--level", 95), "No day can be judged at 95 %"),
        (("--until", "2025-02-01"), "at least 100 are needed to expect one"),
        (("--since", "2030-01-01"), "No day can be judged at 99 %"),
    ],
)
def test_what_cannot_be_judged_is_said_and_has_no_p_value(
    tmp_path: Path, exporter: Path, arguments: tuple[object, ...], said: str
) -> None:
    done = call("--data", tmp_path, *arguments)
    assert done.exit_code == 0, done.output
    assert said in done.output
    assert not re.search(r"\bp 0\.\d", done.output)


def test_days_without_exceptions_are_no_proof_of_independence(tmp_path: Path) -> None:
    folder = tmp_path / "exporter"
    write_days(folder / "main", [100.0] * 250)
    done = call("--exporter", folder)
    assert "No day lost more than was forecast for it." in done.output
    # By chi-square it would be refuted, and one right model in twelve with it.
    assert "Exceptions are about as frequent as they should be." in done.output
    assert "0 exceptions in 250 days, 2.5 expected; so few or fewer have a chance of 0.0811" in (
        done.output
    )
    assert "refuted, roughly" in done.output
    assert "fewer than two exceptions: none can follow another" in done.output
    assert "p-values are rough" in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--level", 30), "no level of confidence"),
        (("--since", "soon"), "is no day"),
        (("--output", "var.docx"), "end it in .md, .html, .pdf"),
        (("--bundled", "--prices", "x.csv"), "two histories"),
        (("--account", "other"), "no days of account other"),
        (("--exporter", "nowhere"), "no exporter has kept anything here"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, exporter: Path, arguments: tuple[object, ...], said: str
) -> None:
    done = call("--data", tmp_path, *arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_one_of_several_accounts_has_to_be_named(tmp_path: Path, exporter: Path) -> None:
    write_days(exporter / "second", [1.0, 2.0])
    done = call("--data", tmp_path)
    assert (done.exit_code, "main, second; name one" in done.output) == (2, True)
    assert "Value at risk of second" in call("--data", tmp_path, "--account", "second").output


def test_equity_alone_has_no_value_at_risk(tmp_path: Path) -> None:
    path = tmp_path / "equity.csv"
    path.write_text("date,equity\n2025-01-01,100\n2025-01-02,99\n")
    done = call("--prices", path)
    assert done.exit_code == 1
    assert "not what it held" in done.output


def _of_2008(edit_after: str = "") -> Source:
    source = read(
        None, Book("main", Decimal(1_000_000)), None, date(2008, 8, 1), date(2008, 12, 31)
    )
    if not edit_after:
        return source
    return Source(
        source.name,
        source.kind,
        source.account,
        [
            one
            if one.trading_day <= edit_after
            else one.model_copy(
                update={
                    "equity": one.equity / 2,
                    "positions": tuple(
                        held.model_copy(update={"mark": held.mark / 2}) for held in one.positions
                    ),
                }
            )
            for one in source.snapshots
        ],
        source.closes,
    )


def test_a_replay_is_judged_by_the_exporters_own_figures_and_none_knows_what_comes() -> None:
    days = replayed_days(POLICY, _of_2008())
    assert [one.day for one in days] == [one.trading_day for one in _of_2008().snapshots]
    verdict = judge(observe(days))
    assert verdict is not None
    assert verdict.days == len(days) - 1
    assert len(verdict.exceptions) > verdict.expected, "nobody foresaw the autumn of 2008"

    # Had everything halved overnight after some day, nothing up to that day would differ.
    halved = replayed_days(POLICY, _of_2008(edit_after="2008-10-15"))
    same = [one for one in days if one.day <= "2008-10-15"]
    assert halved[: len(same)] == same
    crash = next(one for one in observe(halved).observations if str(one.day) > "2008-10-15")
    assert crash.is_exception
    assert str(crash.forecast_on) == "2008-10-15"


def test_a_higher_level_has_fewer_exceptions() -> None:
    counts = []
    for level in (90, 99):
        days = replayed_days(POLICY, _of_2008(), confidence_pct=level)
        verdict = judge(observe(days))
        assert verdict is not None
        assert verdict.probability == pytest.approx(1 - level / 100)
        counts.append(len(verdict.exceptions))
    assert counts[0] > counts[1]
    assert len(load_prices().days) > len(days)
