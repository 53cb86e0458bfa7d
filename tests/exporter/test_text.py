"""The text of a scrape says what prometheus_client says of the same series, whatever they are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from risk_exporter import ExporterServer, RiskExporter
from risk_exporter.series import Block
from risk_exporter.text import BlockFamily, Prefixes, encoder, plain_text
from risk_policy.catalogue import metrics as m

Ask = Callable[..., Any]
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.floats() | st.integers(-(2**53), 2**53).map(float)


def said(text: str) -> list[tuple[str, str, str, list[tuple[str, frozenset[Any], str]]]]:
    """Every family with its samples; numbers as they are written, so that NaN is NaN."""
    return [
        (f.name, f.documentation, f.type, sorted(
            (s.name, frozenset(s.labels.items()), repr(float(s.value))) for s in f.samples
        ))
        for f in text_string_to_metric_families(text)
    ]  # fmt: skip


def steady(text: str) -> list[tuple[str, str, str, list[tuple[str, frozenset[Any], str]]]]:
    """Without the number of what may change from one look to the next: the free disk."""
    return [
        (name, documentation, kind, [] if name == m.DISK_FREE.name else samples)
        for name, documentation, kind, samples in said(text)
    ]


@given(st.lists(st.tuples(words, numbers), max_size=20, unique_by=lambda pair: pair[0]))
def test_every_label_and_number_reads_as_it_was(pairs: list[tuple[str, float]]) -> None:
    labels = tuple({"account": "a", "symbol": symbol} for symbol, _ in pairs)
    values = np.array([value for _, value in pairs], dtype=np.float64)
    for metric in (m.POSITION_NOTIONAL, m.SNAPSHOTS):
        family = BlockFamily(metric, Prefixes())
        family.blocks.append(Block(metric, labels, values))
        (read,) = text_string_to_metric_families(b"".join(family.pieces()).decode())
        found = {sample.labels["symbol"]: sample.value for sample in read.samples}
        assert found.keys() == {symbol for symbol, _ in pairs}
        for symbol, value in pairs:
            assert found[symbol] == value or (math.isnan(found[symbol]) and math.isnan(value))


def test_an_exporters_text_says_what_its_samples_say(
    exporter: RiskExporter, book: Any, holding: Any, clock: Any
) -> None:
    registry = CollectorRegistry()
    registry.register(exporter)
    Gauge("orders_working", 'Of the "runtime"\\.', ["desk"], registry=registry).labels('a"b').set(3)
    two = (holding("AAPL", mark=90), holding("BTC-USD.x:1", mark=3, sector='odd "one"'))
    for positions in ((), two, two[:1]):
        clock.advance(seconds=1)
        exporter.observe(book(10_000, *positions))
        text, one_by_one = plain_text(registry).decode(), generate_latest(registry).decode()
        assert steady(text) == steady(one_by_one)
        assert text.endswith("\n")
        assert text.count("\n") == one_by_one.count("\n")


def test_a_layout_that_is_gone_is_forgotten() -> None:
    prefixes, metric = Prefixes(), m.POSITION_NOTIONAL
    for n in range(3):
        labels = tuple({"symbol": f"{n}{x}"} for x in "ab")
        block = Block(metric, labels, np.ones(2))
        prefixes.keep([block])
        first = prefixes.of(block)
        assert first[0].startswith(f'\n{metric.name}{{symbol="{n}a"}} '.encode())
        assert prefixes.of(block) is first
        prefixes.keep([])
        assert prefixes.of(block) is not first


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        (PROMETHEUS_2, "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text"),
    ],
)
def test_plain_text_is_written_for_whoever_takes_it(accept: str, kind: str) -> None:
    assert encoder(accept)[1].startswith(kind)


def test_a_client_that_takes_openmetrics_only_gets_it(
    exporter: RiskExporter, listen: str, ask: Ask
) -> None:
    with ExporterServer(exporter, CollectorRegistry(), listen):
        reply = ask("GET", "/metrics", Accept="application/openmetrics-text")
        assert reply.text.endswith("# EOF\n")
