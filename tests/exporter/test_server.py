"""The HTTP edge: what a scrape over the wire shows, how it starts, and that it stops cleanly."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Gauge, Metric
from prometheus_client.registry import Collector

from risk_exporter import ExporterServer, RiskExporter, StartError
from risk_policy import Policy, parse_policy
from risk_policy.catalogue.metrics import METRICS

PATH = "/api/v1/snapshot"
Ask = Callable[..., Any]


# -- scrapes ---------------------------------------------------------------------------------


def test_a_snapshot_sent_over_http_is_what_the_next_scrape_shows(
    post: Ask, ask: Ask, body: dict[str, Any], parse_scrape: Any
) -> None:
    assert post(body).status == 200
    reply = ask("GET", "/metrics")
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("text/plain")
    x = parse_scrape(reply.text)
    assert {name for name, _ in x.samples} < {
        name for name, metric in METRICS.items() if metric.component == "exporter"
    }
    assert x.value("risk_equity", account="main") == 10_000
    assert x.value(
        "risk_position_return_ratio",
        account="main", symbol="AAPL", risk_id="position_loss/main/AAPL",
    ) == pytest.approx(-0.2)  # fmt: skip


def test_prometheus_gets_openmetrics_if_it_asks_for_it(ask: Ask, server: ExporterServer) -> None:
    reply = ask("GET", "/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert reply.headers["Content-Type"].startswith("application/openmetrics-text")
    assert reply.text.endswith("# EOF\n")


def test_other_metrics_of_the_registry_are_served_beside_ours(
    exporter: RiskExporter, listen: str, ask: Ask
) -> None:
    registry = CollectorRegistry()
    Gauge("orders_working", "Of the runtime.", registry=registry).set(3)
    with ExporterServer(exporter, registry, listen):
        assert "\norders_working 3.0\n" in ask("GET", "/metrics").text
    assert [family.name for family in registry.collect()] == ["orders_working"]


def test_an_error_that_nobody_had_planned_for_is_answered_logged_and_counted(
    exporter: RiskExporter, listen: str, ask: Ask, parse_scrape: Any
) -> None:
    class Broken(Collector):
        def collect(self) -> Iterator[Metric]:
            raise RuntimeError("of the runtime's own collector")

        def describe(self) -> Iterator[Metric]:
            return iter(())

    registry, broken = CollectorRegistry(), Broken()
    registry.register(broken)
    with ExporterServer(exporter, registry, listen):
        reply = ask("GET", "/metrics")
        assert (reply.status, reply.json["error"]) == (500, "internal error; see the log")
        registry.unregister(broken)
        x = parse_scrape(ask("GET", "/metrics").text)
    assert x.value("risk_unexpected_errors_total", component="exporter") == 1


def test_waiting_for_a_scrape_ends_with_the_first_one(
    server: ExporterServer, ask: Ask, exporter: RiskExporter
) -> None:
    assert not server.wait_for_scrape(0)
    ask("GET", "/healthz")
    ask("GET", "/nothing")
    assert not server.wait_for_scrape(0)
    waiting = threading.Thread(target=lambda: ask("GET", "/metrics"))
    waiting.start()
    assert server.wait_for_scrape(10)
    waiting.join()
    server.stop()
    server.start()
    assert not server.wait_for_scrape(0)


# -- health ----------------------------------------------------------------------------------


def test_it_says_that_it_is_well_and_on_which_policy(
    server: ExporterServer, ask: Ask, policy: Policy
) -> None:
    reply = ask("GET", "/healthz")
    assert reply.status == 200
    assert reply.json == {"status": "ok", "policy_digest": policy.short_digest, "problems": []}


def test_it_is_not_well_while_its_state_is_not_on_disk(
    post: Ask, ask: Ask, body: dict[str, Any], state_dir: Any
) -> None:
    post(body)
    (state_dir / "main" / "state.json.new").mkdir()
    assert post(body | {"equity": 20_000}).status == 200
    reply = ask("GET", "/healthz")
    assert reply.status == 503
    assert str(state_dir / "main") in reply.json["problems"][0]


# -- what is not there ---------------------------------------------------------------------


@pytest.mark.parametrize("line", [b"nonsense\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n"])
def test_what_is_no_http_gets_no_page_of_html(
    server: ExporterServer, talk: Any, line: bytes
) -> None:
    reply = talk(line)
    assert b"<html" not in reply.lower()
    assert b'"error"' in reply


def test_paths_and_methods_that_are_not_there_are_told_so(server: ExporterServer, ask: Ask) -> None:
    assert ask("GET", "/").status == 404
    assert "/metrics" in ask("GET", "/nowhere").json["error"]
    reply = ask("GET", PATH)
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")
    reply = ask("POST", "/metrics", b"x" * 100_000)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET")


def test_an_embedded_exporter_takes_no_snapshots_over_http(
    exporter: RiskExporter, listen: str, ask: Ask, body: dict[str, Any], token: str
) -> None:
    with ExporterServer(exporter, CollectorRegistry(), listen):
        reply = ask("POST", PATH, json.dumps(body).encode(), Authorization=f"Bearer {token}")
    assert reply.status == 404
    assert "embedded" in reply.json["error"]


# -- start and stop --------------------------------------------------------------------------


def test_a_port_in_use_is_an_error_that_names_it(
    server: ExporterServer, exporter: RiskExporter, listen: str
) -> None:
    second = ExporterServer(exporter, CollectorRegistry(), listen)
    with pytest.raises(StartError, match=f"cannot listen on {listen}: Address already in use"):
        second.start()
    second.stop()


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1:0", "127.0.0.1:http", ":1"])
def test_an_address_that_is_none_is_refused(exporter: RiskExporter, address: str) -> None:
    with pytest.raises(StartError, match="must be host:port"):
        ExporterServer(exporter, CollectorRegistry(), address)


@pytest.mark.parametrize("token", ["", "  "])
def test_an_empty_token_is_refused(exporter: RiskExporter, token: str) -> None:
    with pytest.raises(StartError, match="token is empty"):
        ExporterServer(exporter, snapshot_token=token)


def test_an_exporter_registered_twice_is_an_error_that_says_so(
    exporter: RiskExporter, listen: str
) -> None:
    registry = CollectorRegistry()
    registry.register(exporter)
    with pytest.raises(StartError, match="do not register the exporter yourself"):
        ExporterServer(exporter, registry, listen).start()


def test_stopping_leaves_neither_threads_nor_sockets_and_starting_again_works(
    exporter: RiskExporter, listen: str, ask: Ask
) -> None:
    before = set(threading.enumerate())
    server = ExporterServer(exporter, CollectorRegistry(), listen)
    for _ in range(3):
        server.start()
        assert ask("GET", "/metrics").status == 200
        server.stop()
        assert set(threading.enumerate()) == before
        with pytest.raises(ConnectionRefusedError):
            ask("GET", "/metrics")
    server.stop()


def test_stopping_does_not_wait_for_a_client_that_says_nothing(
    exporter: RiskExporter, listen: str, eventually: Callable[..., None]
) -> None:
    before = threading.active_count()
    host, port = listen.split(":")
    server = ExporterServer(exporter, CollectorRegistry(), listen)
    server.start()
    with socket.create_connection((host, int(port))) as silent:
        eventually(lambda: threading.active_count() == before + 2)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        stopping.join(timeout=3)
        assert not stopping.is_alive()
        assert silent.recv(1) == b""


def test_a_client_that_never_ends_its_request_is_not_listened_to_for_ever(
    state_dir: Path, listen: str
) -> None:
    brief = b"""
        [alerting.prometheus]
        scrape_interval_seconds = 0.1
        [alerting.system]
        snapshot_stale_seconds = 0.3
    """
    host, port = listen.split(":")
    with (
        RiskExporter(parse_policy(brief, environ={}), state_dir) as exporter,
        ExporterServer(exporter, listen=listen, snapshot_token="t"),
        socket.create_connection((host, int(port))) as endless,
    ):
        endless.sendall(b"POST /api/v1/snapshot HTTP/1.1\r\n")
        for _ in range(100):
            # Each wait is shorter than one read may take.
            if select.select([endless], [], [], 0.05)[0]:
                break
            endless.sendall(b"X: y\r\n")
        endless.settimeout(5)
        assert b" 401 " in endless.recv(4096)
