"""The email channel against real mail servers: who gets what, and what each failure means."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_servers import STAGES, Authority, Postbox, failing_mail_server, mail_server

from risk_receivers.channels.email import EmailChannel
from risk_receivers.channels.errors import (
    PartlyRefusedError,
    RefusedDeliveryError,
    TemporaryDeliveryError,
)
from risk_receivers.channels.mail import compose
from risk_receivers.channels.message import Kind, Owed
from risk_receivers.channels.rendered import Rendered
from risk_receivers.channels.smtp import Server, Tls
from risk_receivers.templating.renderer import Renderer
from risk_receivers.templating.samples import awkward, sample

RENDER = Renderer().render_for("email")
DESK = ("desk@example.com", "cro@example.com")


def channel(
    port: int, to: tuple[str, ...] = DESK, data: Path = Path(), **server: Any
) -> EmailChannel:
    options = {"host": "127.0.0.1", "tls": Tls.NONE, "timeout_seconds": 5, **server}
    return EmailChannel(
        data=data,
        render=RENDER,
        server=Server(port=port, **options),
        from_address="alerts@riskwarden.local",
        to_addresses=to,
    )


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    with mail_server() as box:
        yield box


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


# -- the mail ----------------------------------------------------------------------------------


def test_a_mail_says_the_message_as_text_and_as_html(postbox: Postbox) -> None:
    channel(postbox.port).deliver(sample())
    (((to, mail)),) = postbox.mails
    assert to == DESK
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert (mail["From"], mail["To"]) == ("alerts@riskwarden.local", ", ".join(DESK))
    assert mail["Subject"] == "[CRITICAL] DRAWDOWN_CRITICAL drawdown/main"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Importance"] == "high"
    assert mail["Date"].datetime == sample().message.at
    text = mail.get_body(("plain",))
    assert text is not None
    assert "21.4%, against a limit of 20%" in text.get_content()


def test_all_mails_about_an_incident_are_one_thread_and_each_is_its_own() -> None:
    mails = [
        composed(msgspec.structs.replace(sample(kind), id=f"m{n}")) for n, kind in enumerate(Kind)
    ]
    about_drawdown = [mail for mail in mails if "DRAWDOWN" in mail["Subject"]]
    assert len(about_drawdown) >= 3
    assert len({mail["References"] for mail in about_drawdown}) == 1
    assert all(mail["In-Reply-To"] == mail["References"] for mail in mails)
    # The kill switch, a storm, a digest, a report and a trial have their own.
    assert len({mail["References"] for mail in mails}) == 6
    assert len({mail["Message-ID"] for mail in mails}) == len(mails)


def test_a_mail_that_is_sent_again_is_the_same_mail() -> None:
    assert composed(sample())["Message-ID"] == composed(sample())["Message-ID"]
    assert composed(sample())["Date"] == composed(sample())["Date"]


@pytest.mark.parametrize(("name", "owed"), [*awkward()])
def test_no_alert_can_add_a_header_or_break_the_mail(
    postbox: Postbox, name: str, owed: Owed
) -> None:
    channel(postbox.port).deliver(owed)
    check_headers(postbox.mails[0][1])
    assert all(len(line) <= 998 for line in postbox.raw[0].split(b"\r\n"))
    assert all(byte < 128 for byte in postbox.raw[0])


@given(st.text(), st.text(min_size=1), st.text())
def test_no_subject_can_add_a_header(subject: str, text: str, incident: str) -> None:
    clean = subject.encode("utf-8", "replace").decode()
    message = msgspec.structs.replace(sample().message, subject=incident)
    mail = compose(Owed("m1", message, ""), Rendered(clean, text), "a@b.example", DESK)
    assert mail.as_bytes().count(b"\r\nSubject:") == 1
    check_headers(mail)


def check_headers(mail: EmailMessage) -> None:
    assert set(mail.keys()) <= {
        "From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References",
        "Auto-Submitted", "X-Auto-Response-Suppress", "Importance", "MIME-Version",
        "Content-Type", "Content-Transfer-Encoding",
    }  # fmt: skip
    assert len(mail.keys()) == len(set(mail.keys()))


def composed(owed: Owed) -> EmailMessage:
    return compose(owed, RENDER(owed), "alerts@riskwarden.local", DESK)


def test_a_text_beyond_ascii_arrives_as_it_was(postbox: Postbox) -> None:
    message = msgspec.structs.replace(sample().message, text="Größe 🦆\n.\nüber alles" + "x" * 2000)
    channel(postbox.port).deliver(Owed("m5", message, "1:ab"))
    text = postbox.mails[0][1].get_body(("plain",))
    assert text is not None
    assert "Größe 🦆\n.\nüber alles" in text.get_content().replace("\r\n", "\n")


def test_addresses_with_names_and_domains_beyond_ascii_are_reached(postbox: Postbox) -> None:
    to = ("Desk <desk@example.com>", "cro@münchen.example")
    channel(postbox.port, to).deliver(sample())
    assert postbox.reached == ["desk@example.com", "cro@xn--mnchen-3ya.example"]


# -- recipients --------------------------------------------------------------------------------


def test_a_refused_recipient_keeps_nobody_else_from_the_mail_and_is_told_of(
    postbox: Postbox,
) -> None:
    postbox.recipients[DESK[0]] = "550 no such user"
    email = channel(postbox.port)
    with pytest.raises(PartlyRefusedError, match="1 of 2 recipients have the mail") as caught:
        email.deliver(sample())
    assert postbox.reached == [DESK[1]]
    assert "desk@example.com (550 no such user)" in str(caught.value)
    assert "alerting.channels.email.to_addresses" in str(caught.value)
    postbox.recipients.clear()  # and once it is put right, sending it again tells who was not
    email.deliver(sample())
    assert postbox.reached == [DESK[1], DESK[0]]


def test_who_is_refused_is_told_of_although_others_were_put_off_at_first(postbox: Postbox) -> None:
    postbox.recipients = {DESK[0]: "550 no such user", DESK[1]: "451 try later"}
    email = channel(postbox.port)
    with pytest.raises(TemporaryDeliveryError):
        email.deliver(sample())
    del postbox.recipients[DESK[1]]
    with pytest.raises(PartlyRefusedError, match=r"desk@example.com \(550 no such user\)"):
        email.deliver(sample())
    assert postbox.reached == [DESK[1]]


def test_who_has_the_mail_is_not_sent_it_again_with_those_who_were_put_off(
    postbox: Postbox,
) -> None:
    postbox.recipients[DESK[0]] = "451 try later"
    email = channel(postbox.port)
    with pytest.raises(TemporaryDeliveryError, match=r"desk@example.com \(451 try later\)"):
        email.deliver(sample())
    with pytest.raises(TemporaryDeliveryError):
        email.deliver(sample())
    assert postbox.reached == [DESK[1]]
    postbox.recipients.clear()
    email.deliver(sample())
    assert postbox.reached == [DESK[1], DESK[0]]
    email.deliver(sample())  # somebody has it sent again on purpose
    assert postbox.reached == [DESK[1], DESK[0], *DESK]


def test_a_mail_that_every_recipient_is_refused_is_refused_for_the_whole_channel(
    postbox: Postbox,
) -> None:
    postbox.recipients = dict.fromkeys(DESK, "550 no such user")
    with pytest.raises(RefusedDeliveryError, match="every recipient") as caught:
        channel(postbox.port).deliver(sample())
    assert caught.value.whole_channel


# -- what the server says ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stage", "reply", "refused", "whole"),
    [
        ("connect", "421 too busy", False, False),
        ("connect", "554 you are blocked", True, True),
        ("connect", "nonsense", False, False),
        ("MAIL", "451 try later", False, False),
        ("MAIL", "550 sender not allowed", True, True),
        ("RCPT", "450 greylisted", False, False),
        ("RCPT", "421 going down", False, False),
        ("RCPT", "552 too many recipients", False, False),
        ("RCPT", "550 no such user", True, True),
        ("DATA", "451 try later", False, False),
        ("DATA", "554 no", True, False),
        (".", "452 disk full", False, False),
        (".", "552 too large", True, False),
    ],
)
def test_what_a_server_answers_says_whether_trying_again_helps(
    stage: str, reply: str, refused: bool, whole: bool
) -> None:
    with failing_mail_server(stage, reply) as port:
        email = channel(port, to=DESK[:1])
        with pytest.raises((TemporaryDeliveryError, RefusedDeliveryError)) as caught:
            email.deliver(sample())
    assert isinstance(caught.value, RefusedDeliveryError) == refused
    assert getattr(caught.value, "whole_channel", False) == whole
    assert f"127.0.0.1:{port}" in str(caught.value) or "desk@example.com" in str(caught.value)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("how", ["hangs up", "hangs", "drips"])
def test_a_server_that_fails_at_any_stage_is_tried_again_and_never_waited_for(
    stage: str, how: str
) -> None:
    with failing_mail_server(stage, how) as port:
        began = time.monotonic()
        with pytest.raises(TemporaryDeliveryError):
            channel(port, timeout_seconds=0.5).deliver(sample())
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("how", ["hangs up", "hangs", "500 what?"])
def test_a_mail_that_was_confirmed_is_delivered_whatever_the_goodbye_is(how: str) -> None:
    with failing_mail_server("QUIT", how) as port:
        channel(port).deliver(sample())


def test_a_server_that_is_not_there_is_tried_again() -> None:
    with failing_mail_server("connect", "hangs up") as port:
        pass
    with pytest.raises(TemporaryDeliveryError, match="cannot be reached"):
        channel(port).deliver(sample())


# -- TLS and login -----------------------------------------------------------------------------


def test_starttls_is_used_and_the_certificate_checked(authority: Authority) -> None:
    with mail_server(tls_context=authority.server(), require_starttls=True) as postbox:
        channel(postbox.port, tls=Tls.STARTTLS, context=authority.client()).deliver(sample())
        assert postbox.secured == [True]


def test_implicit_tls_is_used_on_its_port(authority: Authority) -> None:
    assert Tls.wanted(use_tls=True, port=465) is Tls.IMPLICIT
    assert Tls.wanted(use_tls=True, port=587) is Tls.STARTTLS
    assert Tls.wanted(use_tls=False, port=465) is Tls.NONE
    with mail_server(ssl_context=authority.server()) as postbox:
        channel(postbox.port, tls=Tls.IMPLICIT, context=authority.client()).deliver(sample())
        assert len(postbox.mails) == 1


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_a_server_that_cannot_prove_its_name_gets_nothing(
    tls: Tls, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    for trusted, name in ((Authority(), "127.0.0.1"), (authority, "elsewhere.example")):
        kind = "tls_context" if tls is Tls.STARTTLS else "ssl_context"
        with mail_server(**{kind: authority.server(name)}) as postbox:
            email = channel(postbox.port, tls=tls, context=trusted.client())
            with pytest.raises(RefusedDeliveryError, match="does not prove its name") as caught:
                email.deliver(sample())
            assert caught.value.whole_channel
            assert postbox.mails == []


def test_a_server_elsewhere_without_tls_gets_nothing_and_one_on_this_machine_does(
    postbox: Postbox,
) -> None:
    channel(postbox.port, tls=Tls.STARTTLS).deliver(sample())
    assert len(postbox.mails) == 1
    # For the channel this address is another machine's, though it leads to this one.
    elsewhere = channel(postbox.port, tls=Tls.STARTTLS, host="0.0.0.0")  # noqa: S104
    with pytest.raises(RefusedDeliveryError, match="offers no TLS") as caught:
        elsewhere.deliver(sample())
    assert caught.value.whole_channel
    assert len(postbox.mails) == 1


@pytest.mark.parametrize("password", ["right", "pässwört"])
def test_a_login_is_made_after_tls(password: str, authority: Authority) -> None:
    with mail_server(tls_context=authority.server(), logins=True) as postbox:
        email = channel(
            postbox.port,
            tls=Tls.STARTTLS,
            context=authority.client(),
            username="desk",
            password=password,
        )
        email.check()
        assert postbox.mails == []
        email.deliver(sample())
        assert set(postbox.logins) == {(b"desk", password.encode())}
        assert postbox.secured == [True]


def test_a_refused_login_is_refused_for_the_whole_channel_and_shows_no_password(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with mail_server(tls_context=authority.server(), logins=True) as postbox:
        email = channel(
            postbox.port,
            tls=Tls.STARTTLS,
            context=authority.client(),
            username="desk",
            password="hunter2-secret",
        )
        for use in (email.check, lambda: email.deliver(sample())):
            with pytest.raises(RefusedDeliveryError, match="refused the login: 535") as caught:
                use()
            assert caught.value.whole_channel
            assert "hunter2" not in f"{caught.value!r}{caught.value.__cause__!r}{email._server!r}"
        assert postbox.mails == []
    assert "hunter2" not in caplog.text


def test_a_server_that_says_the_password_back_is_not_quoted() -> None:
    server = Server("h", 1, username="u", password="hunter2-secret")
    assert server.described((535, b"hunter2-secret is\r\nwrong\x07")) == "535 *** is wrong?"


def test_a_login_that_the_server_does_not_offer_is_refused(postbox: Postbox) -> None:
    with pytest.raises(RefusedDeliveryError) as caught:
        channel(postbox.port, username="desk", password="right").check()
    assert caught.value.whole_channel


def test_checking_mails_nobody(postbox: Postbox) -> None:
    channel(postbox.port).check()
    assert postbox.mails == []


def test_a_report_goes_with_its_mail_and_a_mail_goes_without_it_if_it_is_gone(
    postbox: Postbox, tmp_path: Path
) -> None:
    (tmp_path / "reports").mkdir()
    report = sample(Kind.REPORT)
    file = tmp_path / report.message.attachment
    file.write_text("<p>4 alerts</p>")
    channel(postbox.port, data=tmp_path).deliver(report)
    file.unlink()
    channel(postbox.port, data=tmp_path).deliver(report)
    (_, with_file), (_, without) = postbox.mails
    (attachment,) = with_file.iter_attachments()
    assert attachment.get_filename() == file.name
    assert attachment.get_content_type() == "text/html"
    assert attachment.get_content().strip() == "<p>4 alerts</p>"
    assert list(without.iter_attachments()) == []
    for mail in (with_file, without):
        assert str(mail["Subject"]).startswith("[REPORT] Daily Operations Report")
        body = mail.get_body(("plain",))
        assert body is not None
        assert "/var/lib/riskwarden/reports/daily-20260301-20260302.html" in body.get_content()
