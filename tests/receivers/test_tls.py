"""TLS for people, and the plain listener for machines beside it, on a running service."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from free_ports import free_port

from risk_policy.catalogue import metrics as m
from risk_policy.model.dashboard import Dashboard
from risk_receivers.telemetry import Telemetry
from risk_receivers.tls import Certificate, Secured, secured


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def issue(authority: trustme.CA, folder: Path, days: int = 30) -> float:
    """Write a certificate and its key; until when it is good."""
    ends = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
    certificate = authority.issue_cert(
        *("127.0.0.1", "localhost"), not_before=ends - timedelta(days=90), not_after=ends
    )
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(str(folder / "cert.pem"), append=number > 0)
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    return ends.timestamp()


def with_tls(service: Any, authority: trustme.CA, port: int) -> float:
    service.data.mkdir(mode=0o710)
    ends = issue(authority, service.data)
    service.policy.write_text(
        service.policy.read_text()
        + f"[alerting.dashboard]\nport = {port}\n[alerting.dashboard.tls]\n"
        'cert_file = "cert.pem"\nkey_file = "key.pem"\n'
    )
    return ends


def test_people_come_over_tls_and_machines_as_before(
    stopped: Any, authority: trustme.CA, words: Any
) -> None:
    port = free_port()
    ends = with_tls(stopped, authority, port)
    service = stopped.start()
    assert service.metric("risk_certificate_expiry_timestamp_seconds") == ends
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    url = f"https://127.0.0.1:{port}"
    with httpx.Client(verify=trusted, trust_env=False) as people, ExitStack() as silent:
        answer = people.get(f"{url}/api/v1/session")
        assert answer.json()["authenticated"] is False
        assert answer.headers["strict-transport-security"] == "max-age=31536000"
        body = {"name": "ann", "roles": ["auditor"], "password": "a slow train north", "actor": "x"}
        assert service.call("POST", "/api/v1/users", json=body).status_code == 200
        given = people.post(
            f"{url}/api/v1/session", json={"name": "ann", "password": body["password"]}
        )
        assert given.headers["set-cookie"].startswith("__Host-riskwarden=")
        assert "; Secure;" in given.headers["set-cookie"]
        assert people.get(f"{url}/api/v1/system/status").status_code == 200
        huge = people.get(f"{url}/healthz", headers={"X-Much": "x" * 100_000})
        assert huge.status_code == 431, "it has the same bounds"
        # More than may be open of those who say nothing: the first make way, and nobody waits.
        opened = [
            silent.enter_context(socket.create_connection(("127.0.0.1", port), 20))
            for _ in range(300)
        ]
        assert opened[0].recv(1) == b""
        assert people.get(f"{url}/healthz").status_code == 200
        assert service.send("alerts", [words.alert()]).status_code == 200
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False)
    assert service.stop() == 0
    assert "Traceback" not in service.log


#: The service with a mistake in what stands beside its core.
_MISTAKEN = """
from risk_receivers.__main__ import main
from risk_receivers.security.key_ages import KeyAges
from risk_receivers.tls import Certificate
from risk_receivers.tokens.registry import Uses
for worker in (Certificate, KeyAges, Uses):
    worker.round = lambda self: {}["what nobody thought of"]
raise SystemExit(main())
"""


def test_one_that_does_not_look_after_its_certificate_any_more_is_not_ready(
    stopped: Any, authority: trustme.CA, wait_until: Any
) -> None:
    with_tls(stopped, authority, free_port())
    stopped.spawn(("-c", _MISTAKEN))

    def failing() -> set[str]:
        try:
            reasons = stopped.call("GET", "/readyz", token="").json().get("reasons", [])
        except httpx.TransportError:
            return set()
        return {one.split()[1] for one in reasons if " fails with KeyError" in one}

    wait_until(
        lambda: failing() == {"certificate", "security-key-ages", "token-uses"}, 30, "all are told"
    )


@pytest.mark.parametrize(
    ("host", "more", "said"),
    [
        ("0.0.0.0", "", "tls.at_proxy = true"),  # noqa: S104
        ("127.0.0.1", 'cert_file = "none.pem"\nkey_file = "none.key"\n', "none.pem"),
    ],
)
def test_what_cannot_be_served_is_refused_at_the_start(
    stopped: Any, host: str, more: str, said: str
) -> None:
    stopped.policy.write_text(f"[alerting.dashboard.tls]\n{more}")
    stopped.host = host
    assert stopped.spawn().wait(20) == 2, stopped.log
    (line,) = stopped.log.splitlines()
    assert said in line


def shown(found: Secured, authority: trustme.CA) -> str:
    """Until when the certificate is good that whoever connects now is shown."""
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    trusted.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    mine, theirs = socket.socketpair()

    def answer() -> None:
        found.context.wrap_socket(theirs, server_side=True).close()

    thread = threading.Thread(target=answer)
    thread.start()
    with trusted.wrap_socket(mine, server_hostname="localhost") as connection:
        certificate = connection.getpeercert()
    thread.join()
    assert certificate is not None
    return str(certificate["notAfter"])


def test_a_renewed_certificate_is_shown_without_a_restart_and_a_spoilt_one_never(
    tmp_path: Path, authority: trustme.CA, caplog: pytest.LogCaptureFixture
) -> None:
    first = issue(authority, tmp_path, days=2)
    board = Dashboard.model_validate({"tls": {"cert_file": "cert.pem", "key_file": "key.pem"}})
    found = secured(board, tmp_path)
    assert found is not None
    certificate = Certificate(found, Telemetry())
    before = shown(found, authority)
    assert certificate.gauges() == {m.CERTIFICATE_EXPIRES: [((), first)]}

    whole = (tmp_path / "key.pem").read_bytes()
    issue(authority, tmp_path, days=80)
    (tmp_path / "key.pem").write_bytes(whole)  # the other half is still on its way
    certificate.round()
    assert "the one before is shown" in caplog.text
    assert shown(found, authority) == before
    assert certificate.gauges() == {m.CERTIFICATE_EXPIRES: [((), first)]}

    renewed = issue(authority, tmp_path, days=60)
    certificate.round()
    assert shown(found, authority) != before
    assert certificate.gauges() == {m.CERTIFICATE_EXPIRES: [((), renewed)]}


def test_what_was_renewed_before_a_standby_took_over_is_shown_by_who_leads_then(
    tmp_path: Path, authority: trustme.CA
) -> None:
    first = issue(authority, tmp_path, days=2)
    board = Dashboard.model_validate({"tls": {"cert_file": "cert.pem", "key_file": "key.pem"}})
    found = secured(board, tmp_path)
    assert found is not None
    Certificate(found, Telemetry()).round()  # of the one that stands by
    before = shown(found, authority)
    renewed = issue(authority, tmp_path, days=60)
    certificate = Certificate(found, Telemetry())  # of the same process, once it leads
    assert certificate.gauges() == {m.CERTIFICATE_EXPIRES: [((), first)]}, "it is shown still"
    certificate.round()
    assert shown(found, authority) != before
    assert certificate.gauges() == {m.CERTIFICATE_EXPIRES: [((), renewed)]}
