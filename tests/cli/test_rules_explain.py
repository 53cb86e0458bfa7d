"""`riskwarden rules lint|explain|diff`, as a person sees them."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import nursery
import pytest

from risk_policy import default_policy_path

DEFAULT = str(default_policy_path())
NOBODY = "http://127.0.0.1:1"
BAD_RULES = """
groups:
  - name: mine
    rules:
      - alert: TOO_DEEP
        expr: max by (risk_id, account) (risk_drawdwn_ratio) > 0.1
        labels: {severity: warning, tier: warning, limit: drawdown}
        annotations: {summary: s, description: d, runbook_url: "http://x/"}
"""


def rules(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return nursery.run(
        "riskwarden",
        "rules",
        *arguments,
        environ={**os.environ, "RISKWARDEN_POLICY": DEFAULT, "COLUMNS": "120", **environ},
    )


# -- lint -----------------------------------------------------------------------------------


def test_what_the_policy_generates_is_clean_to_promtool_amtool_and_lint() -> None:
    done = rules("lint")
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 errors, 0 warnings" in done.stdout


def test_a_broken_file_fails_with_rule_place_policy_line_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(BAD_RULES, encoding="utf-8")
    done = rules("lint", str(tmp_path))
    assert done.returncode == 1
    assert f"{tmp_path}/mine.yml:5: TOO_DEEP (warning, warning): metric risk_drawdwn_ratio" in (
        done.stdout
    )
    assert "did you mean risk_drawdown_ratio?" in done.stdout
    assert "remedy: use a metric of the catalogue" in done.stdout
    key = "max_drawdown_warning_pct"
    (line,) = [
        number
        for number, text in enumerate(Path(DEFAULT).read_text(encoding="utf-8").splitlines(), 1)
        if text.startswith(key)
    ]
    assert f"{key} ({DEFAULT}:{line})" in done.stdout


def test_json_carries_every_finding(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(BAD_RULES, encoding="utf-8")
    done = rules("lint", str(path), "--json")
    shown = json.loads(done.stdout)
    assert (done.returncode, shown["errors"], shown["not_installed"]) == (1, 1, [])
    assert shown["findings"][0]["check"] == "names"


def test_warnings_alone_do_not_fail(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    text = BAD_RULES.replace("drawdwn", "drawdown")
    path.write_text(text, encoding="utf-8")
    done = rules("lint", str(path))
    assert done.returncode == 0
    assert "0 errors, 1 warning" in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("r.yml", "groups: [{name: a, rules: []}, {name: a, rules: []}]", "promtool"),
        ("prometheus.yml", "global: {scrape_interval: soon}", "promtool"),
        ("am.yml", "route: {receiver: x, group_by: [risk_id, tier, severity]}", "amtool"),
    ],
)
def test_promtool_and_amtool_are_asked(tmp_path: Path, name: str, text: str, tool: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    done = rules("lint", str(path), "--json")
    shown = json.loads(done.stdout)
    assert done.returncode == 1
    assert {each["check"] for each in shown["findings"]} == {tool}
    assert str(path) in json.dumps(shown["findings"])


def test_a_tool_that_is_not_installed_is_named(tmp_path: Path) -> None:
    done = rules("lint", PATH=str(tmp_path))
    assert done.returncode == 0
    assert "promtool is not installed" in done.stderr
    assert "amtool is not installed" in done.stderr


def test_silences_from_a_file_are_checked_against_the_alerts(tmp_path: Path) -> None:
    broad = {
        "id": "7",
        "createdBy": "ann",
        "status": {"state": "active"},
        "matchers": [{"name": "account", "value": ".+", "isRegex": True, "isEqual": True}],
    }
    path = tmp_path / "silences.json"
    path.write_text(json.dumps([broad]), encoding="utf-8")
    done = rules("lint", "--silences", str(path))
    assert done.returncode == 1
    assert 'silence 7 of ann {account=~".+"} covers more than one risk_id' in done.stdout


def test_silences_that_cannot_be_read_are_trouble_not_peace(tmp_path: Path) -> None:
    path = tmp_path / "silences.json"
    path.write_text("<html>", encoding="utf-8")
    assert rules("lint", "--silences", str(path)).returncode == 2
    assert rules("lint", "--alertmanager", NOBODY).returncode == 2


# -- explain --------------------------------------------------------------------------------


@pytest.fixture
def prometheus() -> Iterator[str]:
    """Answers queries as a Prometheus does in which the drawdown of main is 12 %."""
    series = {"metric": {"risk_id": "drawdown/main", "severity": "warning"}}

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (query,) = parse_qs(urlparse(self.path).query)["query"]
            value = "0.12" if "risk_drawdown_ratio" in query else "880"
            result = [{**series, "value": [1000, value]}]
            body = json.dumps({"status": "success", "data": {"result": result}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_alert_is_explained_without_a_prometheus() -> None:
    done = rules("explain", "drawdown_warning", "--prometheus", NOBODY)
    assert done.returncode == 0
    for words in (
        "DRAWDOWN_WARNING",
        "Fires when it rises above 10%",
        "Clears at 9.5%",
        f"Prometheus not reachable at {NOBODY}",
        "warning: console, file, after 1 s",
        "kill-switch evaluation",
        "When it begins 3 times within 5 min: counts as critical",
        "amtool silence add",
        "risk:breach_since_seconds",
    ):
        assert words in done.stdout


def test_what_prometheus_says_now_is_shown_with_the_command_for_what_fires(prometheus: str) -> None:
    done = rules("explain", "DRAWDOWN_WARNING", "--prometheus", prometheus)
    assert (
        "drawdown/main is 12% (threshold 10%): in breach for 2 min, unacknowledged for 2 min; "
        "fires as warning"
    ) in " ".join(done.stdout.split())
    assert 'risk_id="drawdown/main"\' \'tier="warning"\'' in done.stdout


def test_json_carries_explanation_and_readings(prometheus: str) -> None:
    done = rules("explain", "DRAWDOWN_WARNING", "--prometheus", prometheus, "--json")
    shown = json.loads(done.stdout)
    assert shown["now"]["reachable"] is True
    assert shown["now"]["readings"][0]["value"] == "12%"
    assert [step["after_seconds"] for step in shown["timeline"]] == [0, 300, 900, 1800]


def test_no_line_but_what_is_copied_is_wider_than_the_terminal() -> None:
    done = rules("explain", "DRAWDOWN_WARNING", "--prometheus", NOBODY)
    above = done.stdout.partition("PromQL")[0].splitlines()
    assert max(len(line) for line in above if "amtool" not in line) <= 132


def test_an_unknown_alert_fails_with_suggestions() -> None:
    done = rules("explain", "DRAWDON_WARNING")
    assert done.returncode == 2
    assert "did you mean DRAWDOWN_WARNING" in done.stderr


def test_without_a_name_every_alert_is_listed_by_layer() -> None:
    shown = rules("explain").stdout
    assert shown.index("pre trade") < shown.index("DRAWDOWN_WARNING") < shown.index("Watchdog")
    assert "RISK_DATA_STALE" in shown


def test_what_fires_without_a_latch_is_not_said_to_be_calm(prometheus: str) -> None:
    done = rules("explain", "RISK_DISK_LOW", "--prometheus", prometheus.removeprefix("http://"))
    said = " ".join(done.stdout.split())
    assert "fires as warning" in said
    assert "not in breach" not in said


@pytest.mark.parametrize("arguments", [("explain", "DRAWDOWN_WARNING"), ("explain",), ("lint",)])
def test_a_policy_that_watches_nothing_is_said_to_and_no_traceback(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    off = tmp_path / "off.toml"
    text = Path(DEFAULT).read_text(encoding="utf-8")
    off.write_text(text.replace("enabled = true", "enabled = false", 1), encoding="utf-8")
    done = rules(*arguments, "--policy", str(off))
    assert done.returncode == 1
    assert f"{off}: alerting.enabled is false" in done.stderr
    assert "Traceback" not in done.stderr


# -- diff -----------------------------------------------------------------------------------


def test_diff_says_what_changes_and_exits_as_diff_does(tmp_path: Path) -> None:
    text = Path(DEFAULT).read_text(encoding="utf-8")
    new = tmp_path / "new.toml"
    changed = text.replace("max_drawdown_warning_pct = 10", "max_drawdown_warning_pct = 8")
    new.write_text(changed, encoding="utf-8")
    done = rules("diff", DEFAULT, str(new))
    assert done.returncode == 1
    assert "DRAWDOWN_WARNING: 10% → 8%: fires earlier" in done.stdout
    assert "Rules: " in done.stdout
    shown = json.loads(rules("diff", DEFAULT, str(new), "--json").stdout)
    assert shown["identical"] is False
    assert shown["changes"][0]["key"].endswith("max_drawdown_warning_pct")


def test_diff_of_what_means_the_same_says_so(tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    new.write_text(Path(DEFAULT).read_text(encoding="utf-8") + "# a remark\n", encoding="utf-8")
    done = rules("diff", DEFAULT, str(new))
    assert done.returncode == 0
    assert "nothing changes for anybody" in done.stdout


def test_diff_with_an_invalid_policy_is_trouble(tmp_path: Path) -> None:
    new = tmp_path / "new.toml"
    new.write_text("[alerting]\ncolour = 1\n", encoding="utf-8")
    done = rules("diff", DEFAULT, str(new))
    assert done.returncode == 2
    assert "unknown key" in done.stderr
