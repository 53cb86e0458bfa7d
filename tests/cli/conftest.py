"""A folder whose safety snapshot is taken, and who may answer there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from snapshot_desk import NOBODY, Exporter

from risk_exporter import RiskExporter
from risk_policy import default_policy_path, load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts.safety_snapshot import SafetySnapshot
from risk_policy.contracts.snapshot import Snapshot
from riskwarden.safety_snapshot.taking import Wanted, take


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


@pytest.fixture
def exporter(policy: Path) -> Iterator[Exporter]:
    with Exporter() as server:
        policy.write_text(NOBODY.replace("127.0.0.1:1", server.url.removeprefix("http://"), 1))
        yield server
