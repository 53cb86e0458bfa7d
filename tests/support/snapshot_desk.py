"""What tests of safety snapshots share: gates, a policy of which nothing runs, an exporter."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from loopback_http import LoopbackServer, Received, Reply
from typer.testing import CliRunner, Result

from riskwarden.app import application

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
[alerting.runbooks]
base_url = "http://127.0.0.1:5/runbooks/"
"""


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


def riskwarden(*words: object, **environ: str) -> Result:
    asked = [str(word) for word in words]
    return CliRunner().invoke(application(asked), asked, env=environ)
