"""Values that no running system could mean, and what is said about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from risk_policy import InvalidPolicyError, Problem, parse_policy
from risk_policy.contracts.artefact import duration
from risk_policy.model.addresses import overlap, split_endpoint
from risk_policy.model.durations import AtMost
from risk_policy.model.policy import Alerting, Policy

Refused = Callable[..., tuple[Problem, ...]]


def leaves(model: type[BaseModel], path: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from leaves(annotation, f"{path}.{name}")
        else:
            yield f"{path}.{name}", field


FIELDS = dict(leaves(Alerting, "alerting"))
DURATIONS = {
    key: field for key, field in FIELDS.items() if key.endswith(("_seconds", "_minutes"))
} | {
    key: field
    for key, field in FIELDS.items()
    if ".per_category." in key and not key.endswith(".security")
}


def assignment(key: str, value: object) -> str:
    table, _, name = key.rpartition(".")
    return f"[{table}]\n{name} = {value}\n"


def ceiling(key: str) -> AtMost:
    schema: Any = Policy.model_json_schema(mode="validation")
    node: Any = schema
    for part in key.split("."):
        if "$ref" in node:
            node = schema["$defs"][node["$ref"].rpartition("/")[2]]
        node = node["properties"][part]
    (bounded,) = [one for one in [node, *node.get("anyOf", [])] if "maximum" in one]
    return AtMost(bounded["maximum"], "")


@pytest.mark.parametrize("key", DURATIONS)
def test_every_duration_has_a_ceiling_and_says_why(key: str, refused: Refused) -> None:
    most = ceiling(key).most
    problems = [p for p in refused(assignment(key, most + 1)) if p.key == key]
    assert any(p.message.startswith(f"must be at most {most:g}: ") for p in problems)
    assert all(p.line == 2 and p.value == f"{most + 1:g}" for p in problems)
    try:
        parse_policy(assignment(key, most).encode(), environ={})
    except InvalidPolicyError as error:  # alone it may be out of order with a default
        assert all("must be at most " + f"{most:g}:" not in p.message for p in error.problems)


@pytest.mark.parametrize(
    ("key", "nonsense"),
    [
        ("alerting.gate.lease_seconds", 31_536_000),
        ("alerting.confirmation.emergency_seconds", 86_400),
        ("alerting.prometheus.feed_timeout_seconds", 600),
        ("alerting.prometheus.resend_delay_seconds", 86_400),
        ("alerting.prometheus.scrape_interval_seconds", 300),
        ("alerting.prometheus.evaluation_interval_seconds", 300),
    ],
)
def test_a_duration_that_defeats_its_purpose_is_refused(
    key: str, nonsense: int, refused: Refused
) -> None:
    assert any(
        p.key == key and "must be at most" in p.message for p in refused(assignment(key, nonsense))
    )


@pytest.mark.parametrize("value", ["0.0001", "0.3333", "1e-9", "5e-324"])
def test_a_duration_finer_than_a_millisecond_is_refused(value: str, refused: Refused) -> None:
    key = "alerting.prometheus.scrape_interval_seconds"
    (problem,) = refused(assignment(key, value))
    assert (problem.key, problem.line) == (key, 2)


@settings(deadline=None)
@given(st.floats(0.01, 60) | st.integers(1, 60_000).map(lambda ms: ms / 1000))
def test_an_accepted_duration_can_be_written_for_prometheus(value: float) -> None:
    text = f"[alerting.confirmation]\nwarning_seconds = {value!r}\n"
    try:
        policy = parse_policy(text.encode(), environ={})
    except InvalidPolicyError as error:
        assert "finer than the millisecond" in str(error)
        assert round(value, 3) != value
    else:
        assert duration(policy.alerting.confirmation.warning_seconds) != "0s"


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:9464",
        "127.0.0.1",
        ":9464",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:²",
        "127.0.0.1: 9464",
        " 127.0.0.1:9464",
        "127.0.0.1:9464/metrics",
        "a b:9464",
        "user@host:9464",
        "host,other:9464",
        "{{ . }}:9464",
        "::1:9464",
        "[::1:9464",
        "[fe80::1%eth0]:9464",
        "999.1.1.1:9464",
        "",
    ],
)
def test_what_is_no_endpoint_is_refused_with_what_would_be_one(
    endpoint: str, refused: Refused
) -> None:
    (problem,) = refused(f"[alerting.endpoints]\nexporter = '{endpoint}'")
    assert (problem.key, problem.line) == ("alerting.endpoints.exporter", 2)
    assert problem.value == repr(endpoint)
    assert "host:port" in problem.message


@pytest.mark.parametrize(
    "endpoint", ["localhost:1", "risk-exporter_1.internal:9464", "10.0.0.7:65535", "[::1]:9464"]
)
def test_what_is_an_endpoint_is_accepted(endpoint: str) -> None:
    text = f'[alerting.endpoints]\nexporter = "{endpoint}"'
    assert parse_policy(text.encode(), environ={}).alerting.endpoints.exporter == endpoint


@given(st.text(max_size=30))
def test_any_text_is_an_endpoint_or_a_value_error(text: str) -> None:
    try:
        host, port = split_endpoint(text)
    except ValueError as error:
        assert "host:port" in str(error)
    else:
        assert host
        assert 0 < port < 65536
        assert not any(character.isspace() for character in text)


def test_two_parts_at_one_endpoint_are_refused(refused: Refused) -> None:
    (problem,) = refused('[alerting.endpoints]\nalertmanager = "localhost:9465"')
    assert (problem.key, problem.line) == ("alerting.endpoints.alertmanager", 2)
    assert problem.value == "'localhost:9465'"
    assert "alerting.endpoints.receivers listens too" in problem.message


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("127.0.0.1:1", "localhost:1", True),
        ("0.0.0.0:1", "10.0.0.1:1", True),
        ("[::]:1", "10.0.0.1:1", True),
        ("[::1]:1", "[0:0::1]:1", True),
        ("Host:1", "host:1", True),
        ("127.0.0.1:1", "127.0.0.1:2", False),
        ("10.0.0.1:1", "10.0.0.2:1", False),
    ],
)
def test_endpoints_overlap_if_they_cannot_both_be_listened_on(
    one: str, other: str, shared: bool
) -> None:
    assert overlap(one, other) is overlap(other, one) is shared


@pytest.mark.parametrize(
    "url",
    [
        "http://wiki/{{ $value }}/",
        "http://wiki/}}/",
        "ftp://wiki/",
        "wiki/",
        "http:///",
        "http://wiki",
        "http://a b/",
        "http://wiki:port/",
        "http://[::1/",
        'http://wiki/"/',
        "javascript:alert(1)//",
        "http://wiki/\u00fc/",
    ],
)
def test_a_runbook_url_that_is_none_or_a_template_is_refused(url: str, refused: Refused) -> None:
    (problem,) = refused(f"[alerting.runbooks]\nbase_url = '{url}'")
    assert (problem.key, problem.line) == ("alerting.runbooks.base_url", 2)
    assert "http or https URL that ends in /" in problem.message


def test_a_runbook_url_with_a_password_is_refused(refused: Refused) -> None:
    (problem,) = refused("[alerting.runbooks]\nbase_url = 'https://me:pw@wiki/'")
    assert "password" in problem.message


@pytest.mark.parametrize(
    "url", ["https://wiki.example/risk/", "http://[::1]:9465/", "http://h/#/a/"]
)
def test_a_runbook_url_is_accepted(url: str) -> None:
    text = f"[alerting.runbooks]\nbase_url = '{url}'"
    assert parse_policy(text.encode(), environ={}).alerting.runbooks.base_url == url


@pytest.mark.parametrize("value", ['"yes"', "1", "0", '"true"'])
def test_a_switch_is_true_or_false_and_nothing_like_it(value: str, refused: Refused) -> None:
    (problem,) = refused(assignment("alerting.channels.slack.enabled", value))
    assert "must be true or false" in problem.message


@pytest.mark.parametrize(
    "key",
    [key for key, field in FIELDS.items() if field.annotation is int],
)
@pytest.mark.parametrize("value", ["true", '"5"', "2.5", "9" * 30])
def test_a_whole_number_is_one(key: str, value: str, refused: Refused) -> None:
    (problem,) = refused(assignment(key, value))
    assert (problem.key, problem.line) == (key, 2)


@pytest.mark.parametrize("key", ["telegram.api_url", "sms.api_url"])
@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "api.example.com",
        "https://api.example.com/",
        "https://api.example.com?a=b",
        "https://user:pw@api.example.com",
        "https://",
        "https://a b",
        "https://a:99999",
        "ftp://127.0.0.1",
    ],
)
def test_an_api_that_tokens_go_to_is_https(key: str, url: str, refused: Refused) -> None:
    table, _, name = key.partition(".")
    (problem,) = refused(f'[alerting.channels.{table}]\n{name} = "{url}"')
    assert problem.key == f"alerting.channels.{key}"
    assert "must be an https URL" in problem.message


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8081", "http://localhost:1", "http://[::1]:80", "https://x.org/api"]
)
def test_an_api_on_this_machine_may_be_http(url: str) -> None:
    parse_policy(f"[alerting.channels.telegram]\napi_url = '{url}'".encode(), environ={})
