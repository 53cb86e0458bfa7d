"""The safety snapshot: what is unknown is never safe, nothing secret leaves, nothing is touched."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loopback_http import LoopbackServer, Received, Reply
from typer.testing import CliRunner, Result

from risk_exporter import RiskExporter
from risk_policy import default_policy_path, load_policy
from risk_policy.catalogue.limits import LIMITS
from risk_policy.clock import utc_now
from risk_policy.contracts.gating import FLAGS, LiveOrders, ToldGating, TradingEnvironment
from risk_policy.contracts.safety_snapshot import Bearing, SafetySnapshot
from risk_policy.contracts.snapshot import Snapshot
from riskwarden.app import application
from riskwarden.safety_snapshot.sealing import sealed
from riskwarden.safety_snapshot.taking import Wanted, take

OPEN: dict[str, Any] = {
    "mode": "live",
    "enable_live_trading": True,
    "live_mode_armed": True,
    "live_dry_run": False,
    "require_confirm_token": False,
}
#: Where nobody answers.
NOBODY = """
[alerting.endpoints]
exporter = "127.0.0.1:1"
receivers = "127.0.0.1:2"
prometheus = "127.0.0.1:3"
alertmanager = "127.0.0.1:4"
"""


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy of which nothing runs."""
    path = tmp_path / "alerting.toml"
    path.write_text(NOBODY)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A stack's folder with nothing in it."""
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def tell(data: Path) -> Callable[..., None]:
    """A runtime of this folder tells its gates."""

    def snapshot(gating: dict[str, Any] | None, ago: float = 0.0, account: str = "main") -> None:
        at = utc_now() - timedelta(seconds=ago)
        with RiskExporter(
            load_policy(default_policy_path(), {}), data / "runtime" / "exporter", lambda: at
        ) as exporter:
            exporter.observe(
                Snapshot.model_validate(
                    {
                        "account": account,
                        "equity": 100_000,
                        "cash": 100_000,
                        "positions": [],
                        "taken_at": at,
                        "gating": gating,
                    }
                )
            )

    return snapshot


@pytest.fixture
def taken(policy: Path, data: Path, tmp_path: Path) -> Callable[..., SafetySnapshot]:
    """Takes one."""

    def make(environ: dict[str, str] | None = None, **more: Any) -> SafetySnapshot:
        wanted = {"data": data, "policy": policy, "drills": tmp_path / "drills", **more}
        return take(Wanted(**wanted), environ={} if environ is None else environ)

    return make


def riskwarden(*words: object, **environ: str) -> Result:
    asked = [str(word) for word in words]
    return CliRunner().invoke(application(asked), asked, env=environ)


# -- the verdict ----------------------------------------------------------------------------


def test_with_nothing_there_everything_is_unknown_and_nothing_is_safe(
    taken: Callable[..., SafetySnapshot], policy: Path
) -> None:
    policy.unlink()
    one = taken(ask=False)
    assert one.safety.live_orders is LiveOrders.UNKNOWN
    assert not one.safety.is_live_execution_ruled_out
    assert one.safety.adds_risk == "refused", "a gate that is not there is closed"
    assert one.kill_switches is None
    assert one.restrictions is None
    assert not one.limits.are_known
    assert {one.about for one in one.safety.reasons if one.bearing is Bearing.UNKNOWN} >= {
        "runtimes",
        "kill switch",
        "restrictions",
        "limits",
        "audit chain",
        "drills",
    }
    assert {source.state.value for source in one.sources} == {"absent", "not asked"}


@pytest.mark.parametrize(
    ("gating", "ago", "live", "told"),
    [
        ({"mode": "paper"}, 0, "impossible", "mode is paper, not live"),
        (OPEN | {"live_dry_run": True}, 0, "impossible", "live_dry_run is true"),
        (OPEN, 0, "possible", "every gate is open"),
        ({"mode": "live", "live_dry_run": False}, 0, "unknown", "does not tell enable_live"),
        ({"mode": "paper"}, 60, "unknown", "too old to count (it said: effective mode paper)"),
        ({"mode": "paper"}, -3600, "unknown", "too old to count"),
        (None, 0, "unknown", "tells nothing of its gates"),
    ],
)
def test_what_runtimes_told_decides_while_it_is_fresh(
    taken: Callable[..., SafetySnapshot],
    tell: Callable[..., None],
    gating: dict[str, Any] | None,
    ago: float,
    live: str,
    told: str,
) -> None:
    tell(gating, ago)
    safety = taken().safety
    assert safety.live_orders == live
    assert safety.is_live_execution_ruled_out is (live == "impossible")
    assert any(told in reason.text for reason in safety.reasons if "main" in reason.about)


def test_one_account_that_is_live_outweighs_all_that_are_not(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None]
) -> None:
    tell({"mode": "paper"}, account="a")
    tell(OPEN, account="b")
    tell(None, account="c")
    assert taken().safety.live_orders is LiveOrders.POSSIBLE


def test_a_stack_that_was_started_as_live_is_not_safe_because_a_runtime_says_paper(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None], data: Path
) -> None:
    tell({"mode": "paper"})
    assert taken().safety.live_orders is LiveOrders.IMPOSSIBLE
    (data / "stack.json").write_text("whatever")
    assert taken().stack_environment == "live", "what is not plainly something else is live"
    assert taken().safety.live_orders is LiveOrders.UNKNOWN


def test_what_cannot_be_read_of_an_account_is_unknown_and_not_left_out(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None], data: Path
) -> None:
    tell({"mode": "paper"})
    (data / "runtime" / "exporter" / "main" / "state.json").write_text("{")
    one = taken()
    assert [account.account for account in one.gating] == ["main"]
    assert one.safety.live_orders is LiveOrders.UNKNOWN


@given(
    mode=st.sampled_from(TradingEnvironment),
    flags=st.fixed_dictionaries({}, optional=dict.fromkeys(FLAGS, st.booleans())),
)
def test_impossible_needs_a_gate_that_is_known_to_hold(
    mode: TradingEnvironment, flags: dict[str, bool]
) -> None:
    told = ToldGating.model_validate({"mode": mode, **flags})
    holds = (
        mode is not TradingEnvironment.LIVE
        or flags.get("enable_live_trading") is False
        or flags.get("live_mode_armed") is False
        or flags.get("live_dry_run") is True
        or (
            flags.get("require_confirm_token") is True
            and flags.get("confirm_token_present") is False
        )
    )
    assert (told.live_orders is LiveOrders.IMPOSSIBLE) is holds


# -- limits -----------------------------------------------------------------------------------


def test_every_threshold_stands_there_with_the_line_it_is_written_in(
    taken: Callable[..., SafetySnapshot],
) -> None:
    path = default_policy_path()
    one, lines = taken(policy=path), path.read_text().splitlines()
    settings = {setting.key: setting for setting in one.limits.settings}
    for limit in LIMITS:
        for spec in limit.alerts:
            found = settings[spec.threshold]
            assert spec.name in {alert.alert for alert in found.alerts}
            assert found.line is not None
            written = lines[found.line - 1].partition("#")[0].split("=")
            assert written[0].strip() == spec.threshold.rpartition(".")[2]
            assert float(written[1]) == found.value
    assert one.limits.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    secrets = [key for key in settings if "token" in key or "channels" in key or "auth" in key]
    assert secrets == []


def test_defaults_have_no_line_and_notionals_come_from_the_equity_that_was_told(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None], policy: Path
) -> None:
    policy.write_text(NOBODY + "[alerting.pre_trade]\norder_max_pct = 12\n")
    tell({"mode": "paper"})
    orders = {one.name: one for one in taken().limits.orders}
    assert orders["max_notional_per_order"].amounts == {"main": 12_000}
    assert orders["max_notional_per_order"].line == 8
    assert orders["max_notional_total"].amounts == {"main": 50_000}
    assert orders["max_notional_total"].line is None
    assert orders["min_order_size"].ratio_of_equity is None


def test_a_variable_that_only_the_service_has_takes_no_limit_out_of_sight(
    taken: Callable[..., SafetySnapshot], policy: Path
) -> None:
    policy.write_text(
        NOBODY + "[alerting.channels.slack]\nenabled = true\nwebhook_url = '${HOOK}'\n"
    )
    one = taken()
    assert one.limits.are_known
    (source,) = (source for source in one.sources if source.name == "policy")
    assert "1 problem in line 9" in source.note


@pytest.mark.parametrize(
    "text",
    ["[alerting.kill_switch]\nmode = 'sometimes'", "[alerting.thresholds.portfolio]\nx = 1", "[["],
)
def test_limits_of_a_policy_that_nobody_would_run_are_unknown(
    taken: Callable[..., SafetySnapshot], policy: Path, text: str
) -> None:
    policy.write_text(text)
    one = taken()
    assert not one.limits.are_known
    assert one.limits.settings == ()
    assert one.digests.policy == hashlib.sha256(text.encode()).hexdigest()


def test_rules_that_were_made_from_another_policy_are_told(
    taken: Callable[..., SafetySnapshot], data: Path
) -> None:
    rules = data / "prometheus" / "rules"
    rules.mkdir(parents=True)
    (rules / "a.yml").write_text(f"# DO NOT EDIT\n# policy sha256: {'0' * 64}\n")
    one = taken()
    assert one.limits.in_force is False
    assert any("rules: on another policy" in reason.text for reason in one.safety.reasons)


# -- who is asked, and what for -----------------------------------------------------------------


class Exporter(LoopbackServer):
    """One that shows whatever it was told to."""

    text = ""

    def answer(self, received: Received) -> Reply:  # noqa: ARG002 - as it is called
        return Reply(200, self.text)


def exposition(mode: str, at: datetime, account: str = "main") -> str:
    who = f'account="{account}"'
    return (
        'risk_policy_info{component="exporter",digest="abc"} 1\n'
        f'risk_trading_mode_info{{{who},mode="{mode}",effective_mode="{mode}"}} 1\n'
        f"risk_snapshot_timestamp_seconds{{{who}}} {at.timestamp()}\n"
        f"risk_equity{{{who}}} 5000\n"
        f'risk_account_info{{{who},currency="EUR"}} 1\n'
    )


@pytest.fixture
def exporter(policy: Path) -> Iterator[Exporter]:
    with Exporter() as server:
        policy.write_text(NOBODY.replace("127.0.0.1:1", server.url.removeprefix("http://"), 1))
        yield server


def test_a_running_exporter_is_asked_by_get_without_a_token(
    taken: Callable[..., SafetySnapshot], exporter: Exporter
) -> None:
    exporter.text = exposition("testnet", utc_now())
    environ = {"RISKWARDEN_OPERATOR_TOKEN": "operator-secret", "http_proxy": "http://10.0.0.1:1"}
    one = taken(environ)
    (account,) = one.gating
    assert (account.effective_mode, account.equity, account.currency) == ("testnet", 5000, "EUR")
    assert one.safety.live_orders is LiveOrders.IMPOSSIBLE
    assert {received.method for received in exporter.received} == {"GET"}
    assert not any("Authorization" in received.headers for received in exporter.received)


def test_an_exporter_of_somebody_else_does_not_make_an_account_safe(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None], exporter: Exporter
) -> None:
    tell(OPEN, ago=600)
    exporter.text = exposition("paper", utc_now())
    one = taken()
    assert [account.account for account in one.gating] == ["main", "main"]
    assert one.safety.live_orders is LiveOrders.UNKNOWN


@pytest.mark.parametrize("text", ["hello", "risk_equity 1\n", "{", "\x00\xff", 'a{b="c} 1\n'])
def test_what_answers_and_is_no_exporter_says_nothing(
    taken: Callable[..., SafetySnapshot], exporter: Exporter, text: str
) -> None:
    exporter.text = text
    one = taken()
    assert one.gating == ()
    states = {source.name: source.state.value for source in one.sources}
    assert states["exporter"] == "unreadable"


@pytest.mark.parametrize("host", ["10.1.2.3", "example.com", "127.0.0.1.example.com"])
def test_nobody_beyond_this_machine_is_asked(
    taken: Callable[..., SafetySnapshot], policy: Path, host: str
) -> None:
    policy.write_text(NOBODY.replace("127.0.0.1", host))
    states = {source.name: source.state.value for source in taken().sources}
    assert {states[part] for part in ("exporter", "receivers", "prometheus", "alertmanager")} == {
        "not asked"
    }


# -- secrets ------------------------------------------------------------------------------------

SECRETS = {
    name: f"{hashlib.sha256(name.encode()).hexdigest()[:24]}-{name.lower()}"
    for name in (
        "SLACK_WEBHOOK_URL",
        "RISKWARDEN_OPERATOR_TOKEN",
        "RISKWARDEN_CONFIRM_TOKEN",
        "BINANCE_API_SECRET",
        "BINANCE_API_KEY",
        "DB_PASSWORD",
    )
}


def leaking(*texts: str) -> list[str]:
    return [name for name, secret in SECRETS.items() if any(secret in text for text in texts)]


def test_no_secret_is_anywhere_whatever_somebody_wrote_where(
    data: Path, policy: Path, tell: Callable[..., None], tmp_path: Path, exporter: Exporter
) -> None:
    tell({"mode": "paper"})
    (data / "secrets").mkdir()
    (data / "secrets" / "operator_token").write_text(SECRETS["RISKWARDEN_OPERATOR_TOKEN"])
    kept = tmp_path / "kept"
    kept.write_text(SECRETS["DB_PASSWORD"])
    exporter.text = exposition("paper", utc_now(), account=SECRETS["BINANCE_API_SECRET"])
    (data / "gate").mkdir()
    kill = {"id": "k1", "cause": SECRETS["BINANCE_API_KEY"], "level": SECRETS["DB_PASSWORD"]}
    detail = {
        "schema_version": 2,
        "version": 3,
        "halted": True,
        "restrictions": [
            {"kind": "kill_switch", "mode": "pause", "since": "2026-01-01T00:00:00Z", **kill}
        ],
        "policy_digest": SECRETS["RISKWARDEN_OPERATOR_TOKEN"],
        "written_at": "2026-01-01T00:00:00Z",
    }
    (data / "gate" / "gate.json").write_text(json.dumps(detail))
    policy.write_text(
        policy.read_text()
        + "[alerting.channels.slack]\nenabled = true\nwebhook_url = '${SLACK_WEBHOOK_URL}'\n"
    )
    environ = {k: v for k, v in SECRETS.items() if k != "DB_PASSWORD"} | {
        "DB_PASSWORD_FILE": str(kept),
        "SLACK_WEBHOOK_URL": f"https://hooks.slack.com/services/{SECRETS['SLACK_WEBHOOK_URL']}",
    }
    named = data.rename(data.with_name(f"data-{SECRETS['RISKWARDEN_CONFIRM_TOKEN']}"))
    paths = ("--data", named, "--policy", policy, "--drills", tmp_path)
    as_json = riskwarden("snapshot", *paths, "--json", "-", **environ)
    shown = riskwarden("snapshot", *paths, **environ)
    assert as_json.exit_code == shown.exit_code == 0
    told = SafetySnapshot.model_validate_json(as_json.stdout)
    assert told.kill_switches is not None
    assert told.kill_switches[0].cause == "***", "what was said there is seen to be left out"
    assert leaking(as_json.stdout, shown.stdout) == []
    assert leaking(as_json.stderr, shown.stderr) == []


@pytest.mark.parametrize("broken", ["policy", "toml", "gate", "database", "state", "stack", "log"])
def test_what_cannot_be_read_is_never_quoted(
    data: Path, policy: Path, tell: Callable[..., None], tmp_path: Path, broken: str
) -> None:
    secret = SECRETS["DB_PASSWORD"]  # which nobody could know to be one
    tell({"mode": "paper"})
    drills = tmp_path / "drills"
    drills.mkdir()
    targets = {
        "policy": (policy, f"[alerting.kill_switch]\nmode = '{secret}'\nyours = '{secret}'\n"),
        "toml": (policy, f"alerting = {secret}"),
        "gate": (data / "gate" / "gate.json", f'{{"version": "{secret}"}}'),
        "database": (data / "audit" / "audit.db", secret * 100),
        "state": (data / "runtime" / "exporter" / "main" / "state.json", f'{{"{secret}": 1}}'),
        "stack": (data / "stack.json", secret),
        "log": (drills / "drills.jsonl", f'{{"id": "{secret}"}}\n'),
    }
    path, text = targets[broken]
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    paths = ("--data", data, "--policy", policy, "--drills", drills)
    shown = riskwarden("snapshot", *paths)
    as_json = riskwarden("snapshot", *paths, "--json", "-")
    assert shown.exit_code == as_json.exit_code == 0
    assert secret not in shown.stdout + shown.stderr + as_json.stdout + as_json.stderr


# -- reading alone --------------------------------------------------------------------------------


def test_the_kernel_keeps_what_reads_from_writing(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.write_text("as it was")

    def tries(is_sealed: bool) -> list[str]:
        if not is_sealed:
            return ["unsealed"]
        done = []
        attempts: dict[str, Callable[[], object]] = {
            "write": lambda: there.open("a"),
            "truncate": lambda: os.truncate(there, 0),
            "create": lambda: (tmp_path / "new").touch(),
            "folder": lambda: (tmp_path / "folder").mkdir(),
            "remove": there.unlink,
            "rename": lambda: there.rename(tmp_path / "other"),
            "link": lambda: (tmp_path / "link").symlink_to(there),
        }
        for what, act in attempts.items():
            try:
                act()
            except OSError:
                continue
            done.append(what)
        there.read_text()
        return done

    done = sealed(tries)
    if done == ["unsealed"]:
        pytest.skip("this kernel has no Landlock")
    assert done == []
    there.write_text("whoever asked for it may write")
    assert sorted(tmp_path.iterdir()) == [there]


def test_what_is_read_is_not_written_over(data: Path, policy: Path, tell: Any) -> None:
    tell({"mode": "paper"})
    state = data / "runtime" / "exporter" / "main" / "state.json"
    before = {path: path.read_bytes() for path in (policy, state)}
    for target in before:
        asked = ("snapshot", "--data", data, "--policy", policy, "--offline", "--json", target)
        done = riskwarden(*asked)
        assert done.exit_code == 2
        assert "name another file" in done.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_it_goes_where_it_was_asked_to_go(data: Path, policy: Path, tmp_path: Path) -> None:
    paths = ("snapshot", "--data", data, "--policy", policy, "--offline", "--drills", tmp_path)
    files = tmp_path / "one.json", tmp_path / "one.md"
    done = riskwarden(*paths, "--json", files[0], "--markdown", files[1])
    assert (done.exit_code, done.stdout) == (0, "")
    one = SafetySnapshot.model_validate_json(files[0].read_text())
    assert one.model_dump_json(indent=2) + "\n" == files[0].read_text()
    assert files[1].read_text().startswith("# Safety snapshot\n")
    again = riskwarden(*paths, "--json", files[0], "--stdout")
    assert again.stdout.startswith("# Safety snapshot\n")
    assert riskwarden(*paths, "--json", "-", "--stdout").exit_code == 2
    unwritable = riskwarden(*paths, "--json", tmp_path / "no" / "where.json")
    assert unwritable.exit_code == 2
    assert list(data.rglob("*")) == []


def test_what_others_have_written_makes_no_cell_and_no_line_of_its_own(
    data: Path, policy: Path, taken: Callable[..., SafetySnapshot]
) -> None:
    folder = data / "gate"
    folder.mkdir()
    cause = "a | b\n# Safety snapshot\x1b[2J <b> `x` [y](http://z)"
    held = {"kind": "block_trade", "id": "r1", "level": "critical", "cause": cause}
    (folder / "gate.json").write_text(
        json.dumps(
            {
                "schema_version": 2,
                "version": 1,
                "halted": False,
                "policy_digest": "",
                "restrictions": [{**held, "since": "2026-01-01T00:00:00Z"}],
                "written_at": datetime(2026, 1, 1, tzinfo=UTC).isoformat(),
            }
        )
    )
    restrictions = taken().restrictions
    assert restrictions is not None
    assert restrictions[0].cause == cause
    shown = riskwarden("snapshot", "--data", data, "--policy", policy, "--offline").stdout
    assert shown.count("# Safety snapshot\n") == 1
    assert "\x1b" not in shown
    (row,) = (line for line in shown.splitlines() if line.startswith("| r1 |"))
    assert row.replace("\\|", "").count("|") == 7
