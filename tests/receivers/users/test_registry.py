"""Users on record, wherever the record is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
import stores

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_policy.vocabulary import Role
from risk_receivers.audit.payload import Payload
from risk_receivers.audit.query import events
from risk_receivers.database.place import Place
from risk_receivers.facts import keep_fact
from risk_receivers.schema import SCHEMA
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer
from risk_receivers.tokens.registry import Doing
from risk_receivers.users.authenticators import Authenticators
from risk_receivers.users.book import UserBook
from risk_receivers.users.registry import (
    NoSuchUserError,
    UserExistsError,
    UserRegistry,
    WrongCodeError,
    load_users,
)
from risk_receivers.users.seal import Seal
from risk_receivers.users.user import User

OWNER = Doing("owner", "operator_token", "127.0.0.1", "a reason")
HASH, OTHER_HASH = "$argon2id$one", "$argon2id$two"


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    backend = getattr(request, "param", "sqlite")
    with stores.kept(
        backend, tmp_path / "audit" / "audit.db", lambda: request.getfixturevalue("postgres")
    ) as kept:
        yield kept


class Desk:
    """A registry with all that it needs, and a second book to see what a restart finds."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.place = place
        self.seal = Seal(folder / "seal.key")
        self.writer = Writer(
            place,
            origin="test",
            retention=AuditRetention(),
            schema=SCHEMA,
            batch=10,
            queue_depth=10,
        )
        self.writer.start()
        self.book = UserBook()
        self.authenticators = Authenticators(self.book, self.seal)
        self.registry = UserRegistry(self.writer, self.book, self.authenticators)

    def restarted(self) -> UserBook:
        book = UserBook()
        load_users(self.place, book)
        return book

    def events(self) -> list[str]:
        return [str(event.event_type) for event in events(self.place, 0, 100)]

    def payloads(self) -> list[Payload]:
        return [event.payload for event in events(self.place, 0, 100) if event.payload]


@pytest.fixture
def desk(place: Place, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(place, tmp_path)
    yield made
    made.writer.stop(30)


@stores.in_every_backend("place")
def test_a_user_is_made_changed_shut_out_let_in_and_removed_on_record(desk: Desk) -> None:
    book, registry = desk.book, desk.registry
    ann = registry.add("ann", [Role.RISK_MANAGER, Role.AUDITOR], HASH, OWNER)
    assert book.find("ann") == desk.restarted().find("ann") == ann
    with pytest.raises(UserExistsError, match="ann"):
        registry.add("ann", [Role.ADMIN], HASH, OWNER)
    changes: list[Callable[[], User]] = [
        lambda: registry.set_password("ann", OTHER_HASH, OWNER),
        lambda: registry.set_roles("ann", [Role.AUDITOR], OWNER),
        lambda: registry.disable("ann", OWNER),
        lambda: registry.enable("ann", OWNER),
    ]
    for change in changes:
        before = book.known("ann")
        after = change()
        assert before is not None
        assert after.changed_at > before.changed_at, "whatever rests on it is over"
        assert (book.find("ann") is None) == (after.disabled_at is not None)
        assert desk.restarted().known("ann") == book.known("ann") == after
    assert (after.password, after.roles) == (OTHER_HASH, (Role.AUDITOR,))
    registry.disable("ann", OWNER)
    assert desk.restarted().find("ann") is None, "a restart lets nobody in"
    registry.remove("ann", OWNER)
    assert desk.restarted().is_empty()
    for gone in (registry.disable, registry.remove, registry.enable, registry.drop_totp):
        with pytest.raises(NoSuchUserError):
            gone("ann", OWNER)
    assert registry.add("ann", [Role.ADMIN], HASH, OWNER) == book.find("ann")
    assert desk.events() == [
        *("USER_CREATED", "USER_CHANGED", "USER_CHANGED", "USER_DISABLED", "USER_ENABLED"),
        *("USER_DISABLED", "USER_REMOVED", "USER_CREATED"),
    ]
    told = json.dumps([payload.details for payload in desk.payloads()])
    assert HASH not in told
    first = desk.payloads()[0]
    assert first.message == "owner made the user ann of risk_manager and auditor"
    assert (first.action_reason, first.actor_id) == ("a reason", "owner")


@stores.in_every_backend("place")
def test_an_authenticator_counts_after_one_right_code_and_is_sealed(desk: Desk) -> None:
    registry, authenticators = desk.registry, desk.authenticators
    registry.add("ann", [Role.ADMIN], HASH, OWNER)
    with pytest.raises(WrongCodeError, match="begin anew"):
        registry.confirm_totp("ann", "123456", OWNER)
    forgotten = pyotp.parse_uri(authenticators.propose("ann"))
    totp = pyotp.parse_uri(authenticators.propose("ann"))
    assert isinstance(totp, pyotp.TOTP)
    assert isinstance(forgotten, pyotp.TOTP)
    assert (totp.name, totp.issuer) == ("ann", "Riskwarden")
    assert authenticators.of("ann") is None, "it does not count yet"
    now = datetime.now(UTC)
    # A late machine may come to the next code meanwhile, so the codes are of one moment.
    first, later = totp.at(now), totp.at(now + timedelta(seconds=30))
    if forgotten.at(now) not in {totp.at(now + timedelta(seconds=off)) for off in (-30, 0, 30)}:
        with pytest.raises(WrongCodeError):
            registry.confirm_totp("ann", forgotten.at(now), OWNER)
    ann = registry.confirm_totp("ann", first, OWNER)
    assert ann.sealed_totp is not None
    assert totp.secret.encode() not in ann.sealed_totp
    assert desk.seal.open("ann", ann.sealed_totp) == totp.secret
    with pytest.raises(WrongCodeError, match="begin anew"):
        registry.confirm_totp("ann", first, OWNER)
    assert desk.restarted().find("ann") == ann

    def good(code: str) -> bool:
        # As after a restart, which remembers no wrong code, but every one that was used.
        codes = Authenticators(desk.book, desk.seal).of("ann")
        assert codes is not None
        return desk.writer.run(lambda transaction: codes.take(transaction, code), 10)

    assert not good(first), "the code that it was made with was used"
    assert good(later)
    assert not good(later)
    assert not good("")
    registry.drop_totp("ann", OWNER)
    assert authenticators.of("ann") is None
    changed = [payload.details["changed"] for payload in desk.payloads()[1:]]
    assert changed == ["totp", "no totp"]


def test_a_clock_that_once_was_ahead_is_made_good_by_a_new_authenticator(desk: Desk) -> None:
    desk.registry.add("ann", [Role.ADMIN], HASH, OWNER)
    ahead = datetime.now(UTC) + timedelta(days=365)

    def enrol() -> pyotp.TOTP:
        totp = pyotp.parse_uri(desk.authenticators.propose("ann"))
        assert isinstance(totp, pyotp.TOTP)
        with pytest.raises(WrongCodeError):
            desk.registry.confirm_totp("ann", totp.at(ahead), OWNER)
        desk.registry.confirm_totp("ann", totp.now(), OWNER)
        return totp

    def good(totp: pyotp.TOTP) -> bool:
        codes = desk.authenticators.of("ann")
        assert codes is not None
        later = totp.at(datetime.now(UTC) + timedelta(seconds=30))
        return desk.writer.run(lambda transaction: codes.take(transaction, later), 10)

    first = enrol()
    step = str(first.timecode(ahead))
    desk.writer.run(
        lambda transaction: keep_fact(transaction.connection, "totp_step:ann", step), 10
    )
    assert not good(first)
    assert good(enrol())


def test_who_logged_in_by_the_old_password_does_not_bring_it_back(desk: Desk) -> None:
    ann = desk.registry.add("ann", [Role.ADMIN], HASH, OWNER)
    desk.book.note_login(ann, ann.created_at, "$argon2id$one-by-todays-parameters")
    known = desk.book.known("ann")
    assert known is not None
    assert known.password == "$argon2id$one-by-todays-parameters"
    desk.registry.set_password("ann", OTHER_HASH, OWNER)
    # That somebody logged in is noted after it is on record, and meanwhile much may happen.
    desk.book.note_login(ann, ann.created_at, "$argon2id$one-by-todays-parameters")
    known = desk.book.known("ann")
    assert known is not None
    assert known.password == OTHER_HASH
    assert known.last_login_at == ann.created_at


def test_without_the_key_no_code_is_right(desk: Desk, tmp_path: Path) -> None:
    desk.registry.add("ann", [Role.ADMIN], HASH, OWNER)
    totp = pyotp.parse_uri(desk.authenticators.propose("ann"))
    assert isinstance(totp, pyotp.TOTP)
    desk.registry.confirm_totp("ann", totp.at(datetime.now(UTC) - timedelta(seconds=30)), OWNER)
    codes = Authenticators(desk.book, Seal(tmp_path / "another.key")).of("ann")
    assert codes is not None
    assert not desk.writer.run(lambda transaction: codes.take(transaction, totp.now()), 10)


def test_what_the_store_cannot_take_shuts_out_all_the_same_and_lets_nobody_in(
    desk: Desk,
) -> None:
    desk.registry.add("ann", [Role.ADMIN], HASH, OWNER)
    desk.registry.add("bob", [Role.ADMIN], HASH, OWNER)
    desk.registry.disable("bob", OWNER)
    desk.writer.stop(30)
    for _ in range(2):
        for out in (desk.registry.disable, desk.registry.remove):
            with pytest.raises(StoreError):
                out("ann", OWNER)
            assert desk.book.find("ann") is None
    with pytest.raises(StoreError):
        desk.registry.enable("bob", OWNER)
    assert desk.book.find("bob") is None
    with pytest.raises(StoreError):
        desk.registry.add("eve", [Role.ADMIN], HASH, OWNER)
    assert desk.book.known("eve") is None


def test_who_is_who_is_kept_as_long_as_changes_of_the_policy() -> None:
    retention = AuditRetention(config_changed_days=1000, default_days=10)
    for kind in EventType:
        if kind.startswith("USER_"):
            assert retention.days_for(kind) == 1000
        if kind in (EventType.SESSION_BEGAN, EventType.LOGIN_REFUSED):
            assert retention.days_for(kind) == 10
