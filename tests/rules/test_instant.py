"""A round of rules speaks of one instant, however long it takes and whatever a scrape does."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from free_ports import free_port
from loopback_prometheus import Part, Prometheus, serving, until

from risk_policy import Policy
from risk_rules.groups import rule_files

pytestmark = pytest.mark.stack

#: Each is scraped at a phase of its own, so that what can happen happens soon.
ACCOUNTS = tuple(f"a{number}" for number in range(12))
#: A third of the scrapes fails, after a time that is another one each time.
_ANSWERS, _LONGEST = 3, 0.15
_PACE = "200ms"
#: Takes some time and says nothing, like the pass over ten thousand positions.
_SLOW = {"record": "test:slow", "expr": "absent(count_over_time(vector(1)[2m:1ms]))"}


@contextmanager
def failing_exporter() -> Iterator[int]:
    """Every account in breach, by a path of its own; hangs now and then. Yields its port."""
    asked = {account: itertools.count() for account in ACCOUNTS}

    class Handler(Part):
        def scraped(self) -> None:
            account = self.path.removeprefix("/")
            number = next(asked[account])
            if number % _ANSWERS == _ANSWERS - 1:
                threading.Event().wait(_LONGEST * (number % 7) / 7)
                return
            body = (
                f'risk_drawdown_ratio{{account="{account}",risk_id="drawdown/{account}"}} 0.12\n'
                f'risk_snapshot_age_seconds{{account="{account}"}} 0\n'
                f'risk_positions_open{{account="{account}"}} 1\n'
            ).encode()
            self.answer(body)

    with serving(Handler) as port:
        yield port


def slowed(policy: Policy) -> dict[str, Any]:
    """The rules of a limit, with something slow between those that decide what its value is."""
    group = rule_files(policy)["drawdown"][0].document()
    names = [rule.get("record") for rule in group["rules"]]
    decided = names.index("risk:limit_value") + 1
    first, *others = group["rules"][:decided]
    between = [each for rule in others for each in (_SLOW, rule)]
    rules = [first, *between, *group["rules"][decided:]]
    return {"groups": [{**group, "interval": _PACE, "rules": rules}]}


@pytest.fixture
def prometheus(policy: Policy, tmp_path: Path) -> Iterator[Prometheus]:
    """One that scrapes such an exporter."""
    with failing_exporter() as exporter:
        config = {
            "global": {
                "scrape_interval": _PACE,
                "scrape_timeout": _PACE,
                "evaluation_interval": _PACE,
            },
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {
                    "job_name": account,
                    "metrics_path": f"/{account}",
                    "static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}],
                }
                for account in ACCOUNTS
            ],
        }
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
        (tmp_path / "rules.yml").write_text(yaml.safe_dump(slowed(policy)), encoding="utf-8")
        prometheus = Prometheus(tmp_path, free_port())
        try:
            prometheus.start()
            yield prometheus
        finally:
            prometheus.end()


def test_scrapes_that_fail_while_rules_are_evaluated_begin_no_breach_anew(
    prometheus: Prometheus,
) -> None:
    # Each account has failed its scrape so often, at as many distances from an evaluation.
    def failed() -> bool:
        return prometheus.query("min(resets(up[1m]))").get("", 0) >= 8

    until(failed, "failed scrapes", 60)
    breaches = 'risk:breach_since_seconds{limit="drawdown",tier="warning"}'
    assert prometheus.query(f"count({breaches})") == {"": len(ACCOUNTS)}
    assert prometheus.query(f"changes({breaches}[1m])") == dict.fromkeys(ACCOUNTS, 0.0)
