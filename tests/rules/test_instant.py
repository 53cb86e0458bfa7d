"""A round of rules speaks of one instant, however long it takes and whatever a scrape does."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

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

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
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
            with contextlib.suppress(ConnectionError):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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
def query(policy: Policy, tmp_path: Path) -> Iterator[Callable[[str], list[float]]]:
    """Asks a Prometheus that scrapes such an exporter: the values that an expression has."""
    with failing_exporter() as exporter:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            own = int(probe.getsockname()[1])
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
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={tmp_path / 'prometheus.yml'}",
                    f"--storage.tsdb.path={tmp_path / 'data'}",
                    f"--web.listen-address=127.0.0.1:{own}",
                ],
                stdout=log,
                stderr=log,
            )

        def values(expression: str) -> list[float]:
            asked = urllib.parse.quote(expression)
            with (
                contextlib.suppress(OSError),
                urllib.request.urlopen(
                    f"http://127.0.0.1:{own}/api/v1/query?query={asked}", timeout=5
                ) as answer,
            ):
                found = json.loads(answer.read())["data"]["result"]
                return [float(each["value"][1]) for each in found]
            return []

        try:
            yield values
        finally:
            process.terminate()
            process.wait(20)


def test_scrapes_that_fail_while_rules_are_evaluated_begin_no_breach_anew(
    query: Callable[[str], list[float]],
) -> None:
    deadline = time.monotonic() + 60
    # Each account has failed its scrape so often, at as many distances from an evaluation.
    while sorted(query("resets(up[1m])"))[:1] < [8.0]:
        assert time.monotonic() < deadline
        threading.Event().wait(0.1)
    breaches = 'risk:breach_since_seconds{limit="drawdown",tier="warning"}'
    assert query(f"count({breaches})") == [len(ACCOUNTS)]
    assert set(query(f"changes({breaches}[1m])")) == {0.0}
