"""The client of Alertmanager's API against one that hangs, dies and speaks nonsense."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from risk_receivers.acks.client import AlertmanagerClient
from risk_receivers.acks.errors import AlertmanagerError
from risk_receivers.acks.plan import Seen, plan, unaccounted
from risk_receivers.acks.silences import Matcher, SilenceState, ack_matchers
from risk_receivers.acks.state import Change, Muting, Standing

GOOD = {
    "id": "good",
    "status": {"state": "active"},
    "matchers": [{"name": "risk_id", "value": "drawdown/main", "isRegex": False}],
    "startsAt": "2026-01-01T00:00:00.123Z",
    "endsAt": "2026-01-01T02:00:00.000+01:00",
    "updatedAt": "2026-01-01T00:00:00.123Z",
    "createdBy": "olga",
    "comment": "on it",
    "annotations": {"new": "field"},
}
Answer = tuple[int, bytes]


class Fake:
    """Answers whatever a test wants, to everything."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.hang = threading.Event()
        self.hangs = False
        self.drips = False
        self.asked: list[str] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                self.rfile.read(length)
                fake.asked.append(f"{self.command} {self.path}")
                if fake.hangs:
                    fake.hang.wait(20)
                known = fake.answers.get(f"{self.command} {self.path}")
                code, body = known or fake.answers.get("", (404, b""))
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                for n in range(len(body)) if fake.drips else ():
                    self.wfile.write(body[n : n + 1])
                    if fake.hang.wait(0.05):
                        return
                if not fake.drips:
                    self.wfile.write(body)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the names are the server's

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # the client had enough
                    super().handle()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.server.server_port}"

    def close(self) -> None:
        self.hang.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[Fake]:
    running = Fake()
    yield running
    running.close()


@pytest.fixture
def fake(server: Fake) -> Fake:
    server.answers, server.asked, server.hangs, server.drips = {}, [], False, False
    return server


@pytest.fixture
def client(server: Fake) -> Iterator[AlertmanagerClient]:
    found = AlertmanagerClient(server.endpoint, deadline_seconds=0.5)
    yield found
    found.close()


def test_a_silence_is_read_with_its_start_as_it_was_written(
    fake: Fake, client: AlertmanagerClient
) -> None:
    fake.answers["GET /api/v2/silences"] = (200, json.dumps([GOOD]).encode())
    (silence,) = client.silences().silences
    assert silence.matchers == (Matcher("risk_id", "drawdown/main"),)
    assert silence.starts_at_text == "2026-01-01T00:00:00.123Z"
    assert silence.ends_at == datetime(2026, 1, 1, 1, tzinfo=UTC)
    assert silence.state is SilenceState.ACTIVE


def test_the_words_of_a_silence_are_one_line_of_text(
    fake: Fake, client: AlertmanagerClient
) -> None:
    odd = {**GOOD, "createdBy": "a\nroot", "comment": "\x1b[2J\u202e" + "x" * 5000}
    fake.answers["GET /api/v2/silences"] = (200, json.dumps([odd]).encode())
    (silence,) = client.silences().silences
    assert silence.author == "a root"
    assert silence.comment.isprintable()
    assert len(silence.comment) <= 1000


def test_a_silence_that_cannot_be_read_costs_no_other_and_is_not_taken_for_gone(
    fake: Fake, client: AlertmanagerClient
) -> None:
    # As a silence with several sets of matchers may look in newer versions, and worse.
    odd: list[Any] = [
        {**GOOD, "id": "sets", "matchers": [[{"name": "a", "value": "b", "isRegex": False}]]},
        {**{key: value for key, value in GOOD.items() if key != "matchers"}, "id": "none"},
        {**GOOD, "id": "late", "endsAt": "no time"},
        {**GOOD, "id": "state", "status": {"state": "sleeping"}},
        {**GOOD, "id": "empty", "matchers": []},
        7,
        None,
        {"id": 3},
    ]
    fake.answers["GET /api/v2/silences"] = (200, json.dumps([*odd, GOOD]).encode())
    listing = client.silences()
    assert [silence.id for silence in listing.silences] == ["good"]
    assert listing.damaged == len(odd)
    assert listing.unreadable >= {"sets", "none", "late", "state", "empty"}
    now = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    known = {
        name: Muting(
            name, Standing.ACTIVE, (Matcher("a", "b"),), now, now.replace(hour=9), "", "", now
        )
        for name in ("sets", "elsewhere")
    }
    assert unaccounted(known, listing) == ["elsewhere"]
    assert not [one for one in plan(known, Seen(listing.silences), (), now) if one.before]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from([*GOOD, "labels", "state", "x"]), inner, max_size=4)
        ),
        max_leaves=8,
    )
)
def test_any_json_is_an_answer_or_an_error(
    fake: Fake, client: AlertmanagerClient, content: object
) -> None:
    fake.answers = {"": (200, json.dumps(content).encode())}
    calls: tuple[Callable[[], object], ...] = (
        client.silences,
        client.alerts,
        lambda: client.silence("x"),
        lambda: put(client),
    )
    for call in calls:
        try:
            call()
        except AlertmanagerError:
            continue


def put(client: AlertmanagerClient) -> str:
    return client.put(
        ack_matchers("drawdown/main", "warning"),
        starts_at="2026-01-01T00:00:00Z",
        ends_at=datetime(2026, 1, 1, 1, tzinfo=UTC),
        author="olga",
        comment="on it",
    )


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 100_000, b"{}", b"null", b"[{]"])
def test_what_is_no_list_is_an_error(fake: Fake, client: AlertmanagerClient, body: bytes) -> None:
    fake.answers[""] = (200, body)
    with pytest.raises(AlertmanagerError):
        client.silences()


def test_one_that_hangs_or_drips_is_given_up_in_time(
    fake: Fake, client: AlertmanagerClient
) -> None:
    fake.answers[""] = (200, b"[" + b" " * 10_000 + b"]")
    for trouble in ("hangs", "drips"):
        setattr(fake, trouble, True)
        started = time.monotonic()
        with pytest.raises(AlertmanagerError):
            client.silences()
        assert time.monotonic() - started < 2, trouble
        setattr(fake, trouble, False)


def test_a_refusal_is_told_from_an_answer_that_is_missing(
    fake: Fake, client: AlertmanagerClient
) -> None:
    for code, refused in ((400, True), (500, False), (503, False)):
        fake.answers[""] = (code, b"because")
        with pytest.raises(AlertmanagerError, match="because") as caught:
            put(client)
        assert caught.value.refused == refused
    nobody = AlertmanagerClient("127.0.0.1:1")
    with pytest.raises(AlertmanagerError, match="does not answer") as caught:
        put(nobody)
    assert not caught.value.refused
    nobody.close()


def test_a_silence_that_is_over_already_is_ended(fake: Fake, client: AlertmanagerClient) -> None:
    expired = json.dumps({**GOOD, "status": {"state": "expired"}}).encode()
    fake.answers["DELETE /api/v2/silence/good"] = (500, b"silence already expired")
    fake.answers["GET /api/v2/silence/good"] = (200, expired)
    client.expire("good")
    client.expire("gone")  # 404
    fake.answers["GET /api/v2/silence/good"] = (200, json.dumps(GOOD).encode())
    with pytest.raises(AlertmanagerError):
        client.expire("good")


def test_a_request_whose_answer_was_lost_is_found_again_by_what_was_asked_for(
    fake: Fake, client: AlertmanagerClient
) -> None:
    now = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    matchers = ack_matchers("drawdown/main", "critical")
    request = Muting(
        "request:1", Standing.REQUESTED, matchers, now, now.replace(hour=1), "olga", "on it", now,
        tiers=("warning", "critical"), incident="drawdown/main:critical:1",
        extend_until=now.replace(hour=8),
    )  # fmt: skip
    wire = [{"name": m.name, "value": m.value, "isRegex": m.is_regex} for m in reversed(matchers)]
    fake.answers["GET /api/v2/silences"] = (
        200, json.dumps([{**GOOD, "matchers": wire}, {**GOOD, "id": "other"}]).encode(),
    )  # fmt: skip
    said = Seen(client.silences().silences)
    (ours,) = [one for one in plan({request.id: request}, said, (), now) if one.before]
    assert (ours.after.id, ours.after.tiers) == ("good", ("warning", "critical"))
    assert (ours.after.extend_until, ours.change) == (request.extend_until, Change.ACKNOWLEDGED)
