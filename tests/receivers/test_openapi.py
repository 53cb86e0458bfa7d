"""The OpenAPI document describes what is served: nothing more, and nothing less."""

from __future__ import annotations

from typing import Any

import pytest

from risk_receivers.access import NEEDS, OPEN
from risk_receivers.openapi.described import ENDPOINTS
from risk_receivers.openapi.document import document


def test_everything_that_is_served_is_described() -> None:
    described = {
        f"{method.upper()} {path}"
        for path, methods in document(ENDPOINTS)["paths"].items()
        for method in methods
    }
    assert len(described) == len(NEEDS) + len(OPEN)
    assert "DELETE /api/v1/alerts/{incident}/acknowledge" in described


def test_what_is_served_and_not_described_is_an_error() -> None:
    fewer = {what: one for what, one in ENDPOINTS.items() if what != "GET /api/v1/alerts"}
    with pytest.raises(LookupError, match=r"GET /api/v1/alerts\b"):
        document(fewer)


def test_it_says_who_may_and_every_reference_in_it_leads_somewhere() -> None:
    made = document(ENDPOINTS)
    kill = made["paths"]["/api/v1/kill"]["post"]
    assert kill["description"] == "Takes permission trip, or the token alerting.auth.runtime_token."
    assert made["paths"]["/healthz"]["get"]["security"] == []
    for ref in refs_of(made):
        assert ref.rpartition("/")[2] in made["components"]["schemas"], ref


def test_it_says_what_is_answered_and_what_parameters_mean() -> None:
    paths = document(ENDPOINTS)["paths"]
    listed = paths["/api/v1/alerts"]["get"]["description"]
    assert "`before` is the last one of the page in front" in listed
    assert {"101", "200"} <= set(paths["/ws/alerts"]["get"]["responses"])
    report = paths["/api/v1/reports/{report}"]["get"]["responses"]["200"]["content"]
    assert set(report) == {"text/markdown", "text/html", "application/pdf"}
    # A stranger from a blocked address is told so, wherever they knock; probes always answer.
    assert {"403", "429"} <= set(paths["/login"]["get"]["responses"])
    assert "429" not in paths["/healthz"]["get"]["responses"]


def refs_of(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(refs_of, value))
    if not isinstance(value, dict):
        return set()
    own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return own.union(*map(refs_of, value.values()))


def test_it_is_served_to_anybody(shared: Any) -> None:
    answer = shared.call("GET", "/api/v1/openapi.json", token="")
    assert answer.json() == document(ENDPOINTS)
