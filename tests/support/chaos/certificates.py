"""A webhook behind TLS whose certificate expires, and is renewed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import trustme
from loopback_http import LoopbackServer

from chaos.declared import Edits, Must
from chaos.world import World

_NAMES: Final = ("SSL_CERT_FILE", "WEBHOOK_HMAC_SECRET", "WEBHOOK_URL")
_HEAD: Final = "[alerting.channels.webhook] # JSON to a URL of your own, signed\nenabled = "


@contextmanager
def webhook(facts: dict[str, Any]) -> Iterator[Edits]:
    """Run it, with a certificate that is good."""
    authority = trustme.CA()
    before = {name: os.environ.get(name) for name in _NAMES}
    with tempfile.TemporaryDirectory(prefix="riskwarden-chaos-tls-") as folder:
        trusted, certificate = Path(folder, "authority.pem"), Path(folder, "server.pem")
        authority.cert_pem.write_to_path(trusted)
        _issue(authority, certificate, timedelta(days=1))
        os.environ.update(SSL_CERT_FILE=str(trusted), WEBHOOK_HMAC_SECRET="chaos" * 8)
        with LoopbackServer(certificate) as server:
            facts.update(server=server, authority=authority, certificate=certificate)
            try:
                os.environ["WEBHOOK_URL"] = server.url
                yield ((f"{_HEAD}false", f"{_HEAD}true"),)
            finally:
                for name, value in before.items():
                    os.environ.pop(name, None)
                    if value is not None:
                        os.environ[name] = value


@contextmanager
def expired(world: World) -> Iterator[None]:
    """From now on it shows one that has expired."""
    _show(world, timedelta(hours=-1))
    world.facts["received"] = len(world.facts["server"].received)
    yield
    _show(world, timedelta(days=1))


def _show(world: World, valid_for: timedelta) -> None:
    certificate = world.facts["certificate"]
    _issue(world.facts["authority"], certificate, valid_for)
    world.facts["server"].show(certificate)


def _issue(authority: trustme.CA, certificate: Path, valid_for: timedelta) -> None:
    now = datetime.now(UTC)
    issued = authority.issue_cert(
        "127.0.0.1", not_before=now - timedelta(days=2), not_after=now + valid_for
    )
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)


def _delivered(world: World) -> int:
    return len(world.facts["server"].received) - int(world.facts["received"])


NOTHING_DELIVERED: Final = Must(
    "nothing is sent to whom the certificate does not prove",
    lambda w: world_said(w, "certificate") and _delivered(w) == 0,
    30,
    lambda w: f"{_delivered(w)} messages",
)
DELIVERED: Final = Must(
    "once it is renewed, what was owed arrives there",
    lambda w: any(b"KILL SWITCH" in one.body for one in w.facts["server"].received),
    150,
    lambda w: f"{_delivered(w)} messages",
)


def world_said(world: World, text: str) -> bool:
    """Whether the receivers complained of it."""
    return world.printed("receivers", text)
