"""`riskwarden backtest`, as a person sees it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import nursery
import pytest

from risk_policy import default_policy_path

CRASH = "date,equity\n" + "".join(
    f"2020-01-{day:02},{equity}\n"
    for day, equity in enumerate((100, 101, 96, 92, 90, 86, 80, 79, 95, 102), 1)
)
#: A policy that trips later, and is said to come from elsewhere.
LOOSER = "[alerting.thresholds.portfolio]\nmax_drawdown_emergency_pct = 30\n"


def backtest(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return nursery.run(
        "riskwarden",
        "backtest",
        *map(str, arguments),
        cwd=cwd,
        environ={**os.environ, "COLUMNS": "180"},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "crash.csv").write_text(CRASH, encoding="utf-8")
    (tmp_path / "looser.toml").write_text(LOOSER, encoding="utf-8")
    return tmp_path


def test_a_crash_is_told_with_its_alerts_the_gate_and_both_ends(folder: Path) -> None:
    done = backtest("crash.csv", "--json", "o.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "2020-01-07 by DRAWDOWN_EMERGENCY" in done.stdout
    assert "halt_new_trades" in done.stdout
    (run,) = json.loads((folder / "o.json").read_text())["runs"]
    assert run["kill_switch"]["at"] == "2020-01-07T21:00:00+00:00"
    assert run["watched_limits"] == ["daily_loss", "drawdown", "intraday_drawdown"]
    assert [(use["action"], use["enforced"]) for use in run["gate"]][:2] == [
        ("kill_switch", True),
        ("halt_new_trades", True),
    ]
    assert run["without"]["profit_ratio"] == pytest.approx(0.02)
    assert run["with"]["profit_ratio"] == pytest.approx(-0.2)
    drawdowns = {
        e["alertname"]: e["began"][:10] for e in run["episodes"] if e["limit"] == "drawdown"
    }
    assert drawdowns == {
        "DRAWDOWN_WARNING": "2020-01-05",
        "DRAWDOWN_CRITICAL": "2020-01-07",
        "DRAWDOWN_EMERGENCY": "2020-01-07",
    }


def test_unanswered_alerts_escalate_by_time(folder: Path) -> None:
    minutes = "date,equity\n" + "".join(
        f"2020-01-02T10:{minute:02},{88 if minute > 2 else 100}\n" for minute in range(60)
    )
    (folder / "minutes.csv").write_text(minutes, encoding="utf-8")
    done = backtest("minutes.csv", "--json", "o.json", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "nobody acknowledges anything" in done.stdout
    (run,) = json.loads((folder / "o.json").read_text())["runs"]
    warning = next(e for e in run["episodes"] if e["alertname"] == "DRAWDOWN_WARNING")
    told = [(e["severity"], e["why"], e["at"][11:16]) for e in warning["escalations"]]
    assert told == [("critical", "time", "10:08"), ("emergency", "time", "10:18")]
    last = next(e for e in run["episodes"] if e["alertname"] == "KILL_SWITCH_EVALUATION")
    assert last["began"][11:16] == "10:33"
    answered = backtest("minutes.csv", "--answered", "--json", "o.json", cwd=folder)
    assert "acknowledged at once" in answered.stdout
    assert '"time"' not in (folder / "o.json").read_text()


def test_two_policies_stand_side_by_side(folder: Path) -> None:
    done = backtest(
        "crash.csv", "--compare", "looser.toml", "--html", "o.html", "--json", "o.json", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if "kill switch" in line)
    assert "2020-01-07 by DRAWDOWN_EMERGENCY" in row
    assert "not tripped" in row
    ours, theirs = json.loads((folder / "o.json").read_text())["runs"]
    assert theirs["kill_switch"] is None
    assert ours["policy"]["sha256"] != theirs["policy"]["sha256"]
    assert (folder / "o.html").read_text().count("<svg") == 4  # two curves of each


class Page(HTMLParser):
    """Every tag and attribute of a page, balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def test_the_page_needs_nothing_else_and_runs_nothing(folder: Path) -> None:
    odd = folder / "<script>alert(1)<&.csv"
    odd.write_text(CRASH, encoding="utf-8")
    done = backtest(odd.name, "--html", "o.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    text = (folder / "o.html").read_text()
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "a"}
    attributes = {name for _, attributes in page.tags for name in attributes}
    assert not attributes & {"style", "src", "href"}
    assert not [name for name in attributes if name.startswith("on")]
    assert "http://" not in text
    assert "https://" not in text
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'sha256-{digest}'" in text
    # Each alert is marked on both curves, equity and drawdown.
    equity, drawdown = (Page(picture) for picture in re.findall(r"<svg.*?</svg>", text, re.DOTALL))
    marks = [attributes for tag, attributes in equity.tags if tag == "circle"]
    classes = {word for mark in marks for word in (mark["class"] or "").split()}
    assert classes >= {"warning", "critical", "emergency"}
    assert len(marks) == len([tag for tag, _ in drawdown.tags if tag == "circle"])


def test_a_calm_history_says_so(folder: Path) -> None:
    (folder / "calm.csv").write_text("date,equity\n2020-01-02,1\n2020-01-03,1\n", encoding="utf-8")
    done = backtest("calm.csv", "--html", "o.html", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "nothing would have fired" in done.stdout
    assert "Nothing would have fired" in (folder / "o.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("none.csv",), "none.csv: cannot be read"),
        (("crash.csv", "--step", "5 days"), "--step '5 days' is no time; write a number with"),
        (("crash.csv", "--step", "0s"), "--step '0s' is no time"),
        (("crash.csv", "--start", "2021"), "--start '2021' is no day; write YYYY-MM-DD"),
        (("crash.csv", "--start", "2021-01-01"), "holds no rows from 2021-01-01 to the last"),
        (("crash.csv", "--weights", "A"), "--weights 'A' is no weight; write SYMBOL=PERCENT"),
        (("crash.csv", "--account", "a/b"), "--account 'a/b' is no account"),
        (("crash.csv", "--html", "none/o.html"), "none/o.html: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_remedy(
    folder: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    done = backtest(*arguments, cwd=folder)
    assert done.returncode in (1, 2)
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_without_promtool_the_package_is_named(folder: Path) -> None:
    done = nursery.run(
        "riskwarden", "backtest", "crash.csv", cwd=folder, environ={**os.environ, "PATH": ""}
    )
    assert done.returncode == 1
    assert "promtool not found; install with: apt-get install" in done.stderr


def test_the_bundled_book_trips_in_the_crash_of_2008(tmp_path: Path) -> None:
    done = backtest("--policy", default_policy_path(), "--json", "o.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = json.loads((tmp_path / "o.json").read_text())["runs"]
    assert run["input"]["rows"] == 756
    assert run["kill_switch"]["at"].startswith("2008-10-02")
    assert run["with"]["worst_drawdown"] < 0.21 < 0.4 < run["without"]["worst_drawdown"]
    first = {e["alertname"]: e["began"][:10] for e in reversed(run["episodes"])}
    assert first["DRAWDOWN_WARNING"] == "2008-01-22"
    assert first["DRAWDOWN_CRITICAL"] == "2008-02-05"
