"""The dashboards of the committed policy."""

from __future__ import annotations

from typing import Any

import grafana_queries
import pytest

from risk_policy import Policy, default_policy_path, load_policy


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load_policy(default_policy_path(), {})


@pytest.fixture(scope="session")
def dashboards() -> dict[str, dict[str, Any]]:
    """As they are committed, by the name of their file."""
    return grafana_queries.dashboards()
