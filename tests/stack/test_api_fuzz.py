"""Whatever anybody asks of the API, it answers as its own document says, and never with a 5xx.

Asked of a whole stack, so that Prometheus and Alertmanager answer, too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from forked_processes import ForkedProcesses
from hypothesis import HealthCheck, Phase, settings
from schemathesis.specs.openapi.checks import ignored_auth, positive_data_acceptance
from stack_under_test import Running, eventually

from risk_receivers.audit.verify import verify_database
from risk_receivers.openapi.described import ENDPOINTS
from risk_receivers.openapi.document import document
from riskwarden.stack.stack import Replay, find_binaries

pytestmark = pytest.mark.stack
CALM = Replay(start="2007-01-03", end="2007-01-31", days_per_second=1.0)
#: By path, whose token it takes, where that is no operator's.
TOKENS = {
    "/api/v2/alerts": "alert_feed_token",
    "/api/v1/notifications": "notification_feed_token",
    "/api/v1/runtime/reports": "runtime_token",
}
#: What does not end by itself.
ENDLESS = ("/ws/", "/api/v1/stream/")


def described() -> dict[str, Any]:
    made = document(ENDPOINTS)
    made["paths"] = {
        path: said for path, said in made["paths"].items() if not path.startswith(ENDLESS)
    }
    return made


SCHEMA = schemathesis.openapi.from_dict(described())


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A stack on calm days, once all of it is ready."""
    folder = tmp_path_factory.mktemp("fuzzed")
    (folder / "log").mkdir()
    with ForkedProcesses(folder / "log") as processes:
        running = Running(folder, processes)
        running.stack.start(find_binaries(), CALM, lambda _: None)
        eventually(lambda: '"ready"' in running.readiness(), 30, running.readiness)
        yield running
        assert processes.child("receivers").alive


@SCHEMA.parametrize()
@settings(
    max_examples=3,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_every_endpoint_keeps_to_the_document(case: Any, calm: Running) -> None:
    """What no schema can say is refused in words: that a time must be before another, that a limit
    is about no symbol. So a request that fits may be refused. Who may ask what is tried elsewhere,
    role by role.
    """
    token = calm.layout.token(TOKENS.get(case.operation.path, "operator_token"))
    case.call_and_validate(
        base_url=calm.stack.url("receivers"),
        headers={"Authorization": f"Bearer {token}"},
        excluded_checks=[positive_data_acceptance, ignored_auth],
        timeout=60,
    )


def test_after_all_that_nothing_was_unexpected_and_the_record_is_whole(calm: Running) -> None:
    url = calm.stack.url("receivers")
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    [unexpected] = [one for one in lines if one.startswith("risk_unexpected_errors_total")]
    assert unexpected.split()[-1] == "0.0"
    assert verify_database(calm.database).ok
