"""Receivers of a stack that only plays, as of a drill, on the policy of one that is in use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from loopback_http import LoopbackServer

#: As of a service that has folders of its own for what it keeps, and a signer beside it.
IN_USE = """
[alerting.audit]
database_path = "{used}/audit.db"
[alerting.audit.signing]
signer = "socket"
socket_path = "{used}/signer.sock"
key_path = "{used}/signing.key"
[alerting.channels]
mark = "TESTNET"
[alerting.channels.webhook]
enabled = true
url = "${{WEBHOOK_URL}}"
hmac_secret = "${{WEBHOOK_SECRET}}"
[alerting.channels.file]
path = "{used}/alerts"
[alerting.reports]
path = "../used/reports"
[alerting.dashboard]
host = "0.0.0.0"
[alerting.dashboard.tls]
cert_file = "{used}/console.pem"
key_file = "{used}/console.key"
"""


def test_what_only_plays_leaves_alone_what_is_in_use(
    stopped: Any, words: Any, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    used, played = tmp_path / "used", tmp_path / "played"
    with LoopbackServer() as people:
        in_use = IN_USE.format(used=used)
        stopped.policy.write_text(stopped.policy.read_text() + in_use)
        stopped.data = played
        stopped.environ |= {"WEBHOOK_URL": people.url, "WEBHOOK_SECRET": "a secret of the test"}
        stopped.start(("-m", "risk_receivers", "--own-store"))
        assert stopped.send("alerts", [words.kill_alert()]).status_code == 200
        wait_until(lambda: list((played / "logs/alerts").glob("*.jsonl")), what="people are told")
        wait_until(lambda: people.received, what="people elsewhere are told, too")
        assert stopped.verified().ok
        assert stopped.stop() == 0
    told = people.received[0].json
    assert told["mark"] == "PAPER"
    assert told["rendered"]["subject"].startswith("[PAPER] [EMERGENCY]")
    assert told["rendered"]["text"].startswith("[PAPER]\n")
    assert {one.name for one in (played / "audit").iterdir()} >= {"audit.db", "signing.key"}
    assert not used.exists()
