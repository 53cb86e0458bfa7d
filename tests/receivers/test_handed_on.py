"""A kill that was given where nobody led is known here, too, by the id that it has on record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from risk_policy.clock import utc_now
from risk_policy.contracts.gate import GateDetail, read_detail, write_detail
from risk_policy.contracts.restriction import Kill
from risk_policy.vocabulary import KillMode
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.spool import Spool
from risk_receivers.kill.trip import OperatorKill, SpooledTrip
from risk_receivers.leadership.left_behind import LeftBehind, is_left_behind
from risk_receivers.telemetry import Telemetry


@pytest.mark.parametrize("mode", [KillMode.IMMEDIATE, KillMode.PAUSE], ids=["tighter", "looser"])
def test_one_that_found_another_in_force_is_called_as_that_is(
    receivers: Any, tmp_path: Path, mode: KillMode
) -> None:
    """By its own name nobody could clear it, and it would trip again when this one leads."""
    on_record = receivers.operator_kill("graceful").json()["kill_id"]
    now, data = utc_now(), tmp_path / "standing-by"
    (data / "gate").mkdir(parents=True)
    held = Kill(id="given", mode=mode, cause="a reason", level="operator", since=now)
    detail = GateDetail(
        version=3, halted=True, restrictions=(held,), policy_digest="", written_at=now
    )
    write_detail(data / "gate", detail)
    spool = Spool(data / "spool")
    spool.open()
    spool.add(SpooledTrip("one", "given", now, OperatorKill(mode, "a reason", "ann")))
    spool.close()
    LeftBehind(
        *(data, lambda: f"127.0.0.1:{receivers.port}", Automatic(KillMode.PAUSE)),
        receivers.database,
        token="operator-secret",
        telemetry=Telemetry(),
    ).round()
    assert not is_left_behind(data)
    found = read_detail(data / "gate")
    assert found is not None
    assert found.kills == (held.model_copy(update={"id": on_record}),)
    assert found.halted
