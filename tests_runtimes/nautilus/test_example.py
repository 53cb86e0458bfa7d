"""The documented example does what its document says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nautilus_rig import BUY, Backtest, GateWriter, Script

from risk_runtime.adapters.nautilus import RiskGuardConfig

DOCUMENT = (Path(__file__).parents[2] / "docs" / "nautilus.md").read_text(encoding="utf-8")


def test_the_example_guards_the_engine_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(program.splitlines()) <= 30
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RISKWARDEN_RUNTIME_TOKEN", "a-token")
    script = Script(lambda one: one.market("AAPL", BUY, 1), lambda one: writer.expire())
    script.every_day = lambda one: one.market("IBM", BUY, one.day) if one.day > 1 else None
    run = Backtest(tmp_path, (script,))
    writer = GateWriter(tmp_path / "var" / "gate")
    writer.open()
    # Another process may have the policy's port for /metrics.
    program = program.replace('gate=Path("var/gate")', 'gate=Path("var/gate"), serve=False')
    code = compile(program, "docs/nautilus.md", "exec")
    exec(code, {"build_my_node": lambda: run.engine})  # noqa: S102 - our own document
    assert run.positions == {"AAPL": 1}
    assert script.reasons()
    assert all("its lease ended" in reason for reason in script.reasons())


@pytest.mark.parametrize("name", re.findall(r"`([a-z]+_[a-z]+)`", DOCUMENT))
def test_every_setting_that_the_document_names_is_there(name: str) -> None:
    of_orders = {"risk_stop", "risk_edge_ratio", "risk_full_quantity", "on_order_denied"}
    assert name in of_orders or name in RiskGuardConfig.__struct_fields__
