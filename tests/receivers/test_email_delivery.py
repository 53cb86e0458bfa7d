"""An alert all the way to a mailbox, from the feed through a running service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mail_servers import Authority, Postbox, mail_server

MAIL = """
[alerting.channels.email]
enabled = true
min_severity = "WARNING"
smtp_host = "127.0.0.1"
smtp_port = {port}
to_addresses = ["desk@example.com"]
username = "desk"
password = "${{SMTP_PASSWORD}}"
[alerting.channels]
templates_path = "words"
"""
DRAWDOWN = {
    "summary": "Account main is in a drawdown",
    "description": "Drawdown of main is 12.3%.",
    "value": "12.3%",
    "threshold": "10%",
    "runbook_url": "http://127.0.0.1:9465/runbooks/DRAWDOWN_WARNING",
}


@contextmanager
def secure_mail_server(service: Any) -> Iterator[Postbox]:
    """A server with TLS and logins, whose authority the service is told to trust."""
    authority = Authority()
    trusted = service.policy.parent / "authority.pem"
    authority.authority.cert_pem.write_to_path(trusted)
    service.environ["SSL_CERT_FILE"] = str(trusted)
    with mail_server(tls_context=authority.server(), logins=True) as postbox:
        yield postbox


def test_an_incident_is_a_thread_of_mails_that_say_what_and_how_bad(
    stopped: Any, words: Any, wait_until: Any
) -> None:
    folder = stopped.policy.parent / "words"
    folder.mkdir()
    (folder / "email.subject.j2").write_text("Desk 7: {{ headline }}")
    (folder / "email.html.j2").write_text("<p>{{ misspelt }}</p>")
    stopped.environ["SMTP_PASSWORD"] = "right"
    with secure_mail_server(stopped) as postbox:
        stopped.policy.write_text(stopped.policy.read_text() + MAIL.format(port=postbox.port))
        stopped.start()
        alert = {**words.alert(), "annotations": DRAWDOWN}
        stopped.send("alerts", [alert])
        stopped.send("notifications", words.webhook(alert))
        wait_until(lambda: len(postbox.mails) == 1)
        over = {**words.alert(firing=False), "annotations": DRAWDOWN}
        stopped.send("alerts", [over])
        stopped.send("notifications", words.webhook(over, status="resolved"))
        wait_until(lambda: len(postbox.mails) == 2)

    first, last = (mail for _, mail in postbox.mails)
    assert first["Subject"] == "Desk 7: [WARNING] DRAWDOWN_WARNING drawdown/main"
    assert last["Subject"] == "Desk 7: [RESOLVED] DRAWDOWN_WARNING drawdown/main"
    assert first["References"] == last["References"]
    plain, rich = first.get_body(("plain",)), first.get_body(("html",))
    assert plain is not None
    assert rich is not None
    text, html = plain.get_content(), rich.get_content()
    assert "12.3%, against a limit of 10%" in text
    assert "riskwarden ack drawdown/main:warning:1" in text
    assert "Account main is in a drawdown" in html  # in the built-in words
    assert stopped.metric('risk_template_failures_total{channel="email"}') == 2
    assert "email.html.j2:1: 'misspelt' is undefined" in stopped.log
    assert "right" not in stopped.log


def test_a_login_that_is_refused_keeps_the_mail_owed_and_shows_no_password(
    stopped: Any, words: Any, wait_until: Any
) -> None:
    stopped.environ["SMTP_PASSWORD"] = "hunter2-secret"
    with secure_mail_server(stopped) as postbox:
        stopped.policy.write_text(stopped.policy.read_text() + MAIL.format(port=postbox.port))
        stopped.start()
        stopped.send("notifications", words.webhook(words.alert()))
        wait_until(lambda: "refused the login" in stopped.log)
        assert postbox.mails == []
    assert "hunter2" not in stopped.log
    assert "hunter2" not in stopped.client.get(f"{stopped.url}/metrics").text
    assert b"hunter2" not in stopped.database.read_bytes()


def test_the_log_tells_no_whole_address_of_whoever_is_written_to(
    stopped: Any, words: Any, wait_until: Any
) -> None:
    stopped.environ["SMTP_PASSWORD"] = "right"
    with secure_mail_server(stopped) as postbox:
        postbox.recipients["desk@example.com"] = "550 no such user: DESK@example.com"
        stopped.policy.write_text(stopped.policy.read_text() + MAIL.format(port=postbox.port))
        stopped.start()
        stopped.send("notifications", words.webhook(words.alert()))
        wait_until(lambda: "no such user: d***@example.com" in stopped.log)
    assert "refused every recipient: d***@example.com (550" in stopped.log
    assert "desk@" not in stopped.log.lower()
