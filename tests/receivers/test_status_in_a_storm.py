"""`riskwarden status` while more is open than anybody could read."""

from __future__ import annotations

from typing import Any

import nursery

#: As many as one answer of the API holds.
MOST = 1000


def test_the_worst_is_named_however_much_has_come_since(receivers: Any, words: Any) -> None:
    worst = words.alert(risk_id="drawdown/main", severity="emergency")
    assert receivers.send("alerts", [worst]).status_code == 200
    for begin in range(0, MOST, 100):
        later = [words.alert(risk_id=f"position_loss/{begin + one}") for one in range(100)]
        assert receivers.send("alerts", later).status_code == 200
    done = nursery.run(
        "riskwarden", "status", "--policy", str(receivers.policy), "--receivers", receivers.url,
        environ=receivers.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    named = [line for line in done.stdout.splitlines() if "nobody has taken it on" in line]
    assert named[0].startswith("drawdown/main:warning:1 ")
    assert f"{MOST + 1:,} in all: see the console" in done.stdout
