"""`riskwarden run` in a folder of receivers that somebody relies on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from snapshot_desk import riskwarden

from risk_policy import default_policy_path


@pytest.mark.parametrize("used", ["audit/audit.db", "gate/gate.lease"])
@pytest.mark.parametrize("said", [None, "live"])
def test_nothing_is_replayed_where_a_real_kill_switch_would_trip(
    tmp_path: Path, used: str, said: str | None
) -> None:
    (tmp_path / used).parent.mkdir()
    (tmp_path / used).write_bytes(b"in use")
    if said:
        (tmp_path / "stack.json").write_text(json.dumps({"environment": said}))
    before = sorted(tmp_path.rglob("*"))
    asked = ("run", "--once", "--policy", default_policy_path(), "--data", tmp_path)
    refused = riskwarden(*asked, PATH="")
    assert refused.exit_code == 2
    assert f"{tmp_path} is in use" in " ".join(refused.stderr.split())
    assert sorted(tmp_path.rglob("*")) == before
