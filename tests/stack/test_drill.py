"""A drill on the real stack: the kill switch trips, closes, is cleared, and all of it is told."""

from __future__ import annotations

from pathlib import Path

from risk_policy import default_policy_path, load_policy
from riskwarden.drill.log import DrillLog
from riskwarden.drill.record import Result
from riskwarden.drill.runner import Runner
from riskwarden.drill.scenarios import SCENARIOS


def test_an_immediate_kill_is_rehearsed_from_trip_to_clearing(tmp_path: Path) -> None:
    policy = load_policy(default_policy_path(), {})
    runner = Runner(policy, DrillLog(tmp_path), "olga", lambda _: None)
    drill = runner.run("kill-immediate", SCENARIOS["kill-immediate"])
    unmet = [one for one in drill.criteria if not one.met]
    assert not unmet
    assert drill.trouble == ""
    assert drill.result is Result.PASS
    assert any("flat" in one.what for one in drill.criteria)
    assert drill.steps
    assert "riskwarden kill --mode immediate" in (tmp_path / "DRILLS.md").read_text()
