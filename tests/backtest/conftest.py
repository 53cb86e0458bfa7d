"""The default policy, and somebody who replays numbers with it."""

from __future__ import annotations

import pytest
from backtest_player import Player

from risk_policy import Policy, default_policy_path, load_policy


@pytest.fixture(scope="session")
def policy() -> Policy:
    return load_policy(default_policy_path())


@pytest.fixture
def play(policy: Policy) -> Player:
    """Daily rows, everything acknowledged."""
    return Player(policy)
