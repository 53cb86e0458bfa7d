"""How old keys are is known for as long as they are in use, whoever cannot be asked meanwhile."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from vault_stand_in import TOKEN, VaultStandIn

from risk_policy import parse_policy
from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_receivers.security.key_ages import KeyAges
from risk_receivers.telemetry import Telemetry
from risk_receivers.tokens.book import Book

NAME = "alerting.auth.operator_token"
HIDDEN = "hunter2-hunter2-hunter2"


def key_ages(data: Path, environ: dict[str, str]) -> KeyAges:
    return KeyAges(parse_policy(b"", environ={}), data, Book(), Telemetry(), environ)


def told(ages: KeyAges) -> float | None:
    """The operator's token as Prometheus sees it."""
    return dict(ages.gauges()[m.SECRET_AGE]).get((NAME,))


def test_a_vault_that_does_not_answer_makes_no_secret_younger(tmp_path: Path) -> None:
    with VaultStandIn({"desk": {"operator": HIDDEN}}) as vault:
        environ = {
            "VAULT_ADDR": vault.url,
            "VAULT_TOKEN": TOKEN,
            "RISKWARDEN_OPERATOR_TOKEN": "vault://secret/desk#operator",
        }
        ages = key_ages(tmp_path, environ)
        ages.round()
        before = told(ages)
        assert before is not None
        made = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
        assert before == pytest.approx((utc_now() - made).total_seconds(), abs=60)
        vault.is_sealed = True
        ages.round()
        after = told(ages)
        assert after is not None
        assert after >= before


@pytest.mark.parametrize(("days", "is_known"), [(-400, True), (0, True), (2, False), (3650, False)])
def test_a_date_that_is_still_to_come_is_none(tmp_path: Path, days: int, is_known: bool) -> None:
    said = (utc_now() + timedelta(days=days)).date().isoformat()
    environ = {"RISKWARDEN_OPERATOR_TOKEN": HIDDEN, "RISKWARDEN_OPERATOR_TOKEN_ROTATED_AT": said}
    ages = key_ages(tmp_path, environ)
    ages.round()
    assert (told(ages) is not None) is is_known
    assert [one.name for one in ages.all()] == [NAME]


def test_a_secret_that_was_rotated_while_everything_runs_is_young_again(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(HIDDEN)
    os.utime(file, (0, 0))
    ages = key_ages(tmp_path, {"RISKWARDEN_OPERATOR_TOKEN_FILE": str(file)})
    ages.round()
    old = told(ages)
    assert old is not None
    assert old > 90 * 86_400
    os.utime(file)
    ages.round()
    young = told(ages)
    assert young is not None
    assert young < 600
