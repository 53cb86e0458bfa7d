"""What all tests share: none of them fails because the machine was busy."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from postgres_cluster import Cluster, cluster

settings.register_profile("riskwarden", deadline=None)
settings.load_profile("riskwarden")


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A PostgreSQL server that all processes of this run share; it starts when it is asked for."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with cluster(shared / "postgres") as running:
        yield running
