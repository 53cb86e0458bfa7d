"""Messages in words: they say what they have to, and no template of a user's can lose one."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_policy import parse_policy
from risk_policy.vocabulary import Action, Severity
from risk_receivers.channels.message import Kind, Message, Owed
from risk_receivers.channels.rendered import Rendered
from risk_receivers.templating.parts import PARTS
from risk_receivers.templating.renderer import Renderer, templates_folder
from risk_receivers.templating.samples import awkward, ordinary, sample
from risk_receivers.templating.words import words

CHANNELS = sorted(PARTS)
BUILT_IN = Renderer()


class Tags(HTMLParser):
    """The tags of a document, and whether each that was opened was closed in order."""

    VOID = ("meta", "br", "!doctype")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self._open: list[str] = []
        self.balanced = True
        self.feed(text)
        self.close()
        self.balanced = self.balanced and not self._open

    def handle_starttag(self, tag: str, attrs: object) -> None:
        del attrs
        self.seen.add(tag)
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        self.balanced = self.balanced and bool(self._open) and self._open.pop() == tag


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_message_says_everything_that_somebody_woken_by_it_needs(channel: str) -> None:
    rendered = BUILT_IN.render_for(channel)(sample())
    for text in filter(None, (rendered.text, rendered.html)):
        for needed in (
            "21.4%", "20%", "2026-03-01 12:00:00 UTC", "on record",
            "http://127.0.0.1:9465/runbooks/DRAWDOWN_CRITICAL",
            "riskwarden ack drawdown/main:critical:3 --for 2h --comment", "4711:3f9a3f9a3f9a",
        ):  # fmt: skip
            assert needed in text, (channel, needed)
    assert rendered.subject == "[CRITICAL] DRAWDOWN_CRITICAL drawdown/main"


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_message_says_which_installation_it_is_of(channel: str, tmp_path: Path) -> None:
    marked = Renderer(mark="TESTNET").render_for(channel)(sample())
    assert marked.subject == "[TESTNET] [CRITICAL] DRAWDOWN_CRITICAL drawdown/main"
    assert marked.text.count("[TESTNET]") == 1
    assert "[TESTNET]" in marked.html or not marked.html
    for part in PARTS[channel]:
        (tmp_path / part.file).write_text("{{ title }}", encoding="utf-8")
    with closing(Renderer(tmp_path, mark="TESTNET")) as worded:
        rendered = worded.render_for(channel)(sample())
    assert rendered.subject == "[TESTNET] DRAWDOWN_CRITICAL"
    assert rendered.text.strip() == "[TESTNET]\nDRAWDOWN_CRITICAL"


def test_the_documentation_names_everything_a_template_is_given() -> None:
    text = (Path(__file__).parents[2] / "docs" / "messages.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_.0-9]+)`", text))
    assert words(sample()).keys() <= named
    files = {part.file for parts in PARTS.values() for part in parts if part.into != "subject"}
    assert files <= named


def test_what_is_over_is_not_to_be_acknowledged_and_its_value_is_told_as_past() -> None:
    rendered = BUILT_IN.render_for("email")(sample(Kind.RESOLVED))
    assert rendered.subject.startswith("[RESOLVED] DRAWDOWN_CRITICAL")
    assert "riskwarden ack" not in rendered.text + rendered.html
    assert "Was:      21.4%" in rendered.text
    assert "Before it ended: Drawdown of main is 21.4%" in rendered.text


def test_a_message_claims_no_more_than_the_system_does() -> None:
    def did(action: Action) -> str:
        message = msgspec.structs.replace(sample().message, action=action.value)
        return BUILT_IN.render_for("email")(Owed("m1", message, "1:ab")).text

    assert "Tripped the kill switch" in did(Action.KILL_SWITCH)
    assert "left alone" in did(Action.NOTIFY)
    assert "Asked for, and up to people: decide whether to close the position" in did(
        Action.FORCE_CLOSE_REVIEW
    )
    assert "the gate refuses every order that adds risk" in did(Action.HALT_NEW_TRADES)
    assert "nothing is closed by itself" in did(Action.EMERGENCY_REDUCE)


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(("name", "owed"), [*ordinary(), *awkward()])
def test_every_message_comes_out_well_formed_and_bounded(
    channel: str, name: str, owed: Owed
) -> None:
    check_form(channel, BUILT_IN.render_for(channel)(owed))


texts = st.text(max_size=60)
FIELDS = (
    "subject", "title", "text", "risk_id", "summary", "value", "threshold", "tier", "category",
    "action", "escalation", "runbook_url",
)  # fmt: skip


@given(
    st.fixed_dictionaries(dict.fromkeys(FIELDS, texts)),
    st.sampled_from(list(Kind)),
    st.sampled_from(list(Severity)),
    st.text(max_size=80),
)
def test_whatever_an_alert_says_its_message_comes_out_well_formed(
    values: dict[str, Any], kind: Kind, severity: Severity, head: str
) -> None:
    at = sample().message.at
    message = Message(kind=kind, severity=severity, at=at, audit_seq=1, **values)
    for channel in CHANNELS:
        check_form(channel, BUILT_IN.render_for(channel)(Owed("m3", message, head)))


def check_form(channel: str, rendered: Rendered) -> None:
    assert rendered.text.strip()
    assert rendered.subject.strip()
    assert len(rendered.subject) <= 250
    assert len(rendered.subject.splitlines()) == 1
    assert len(rendered.text) + len(rendered.html) < 100_000
    for text in (rendered.subject, rendered.text, rendered.html):
        text.encode("utf-8")
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", text)
    if channel == "slack":
        assert "<" not in rendered.text
        assert not re.search("&(?!amp;|lt;|gt;)", rendered.text)
    if channel == "telegram":
        tags = Tags(rendered.text)
        assert tags.balanced
        assert tags.seen <= {"b", "i", "code"}
    if rendered.html:
        tags = Tags(rendered.html)
        assert tags.balanced
        assert not tags.seen & {"script", "img", "iframe"}


def test_a_label_cannot_pass_for_a_line_of_the_message() -> None:
    message = msgspec.structs.replace(sample().message, risk_id="x\nAck:      rm -rf /")
    text = BUILT_IN.render_for("email")(Owed("m1", message, "1:ab")).text
    assert not re.search(r"^Ack:      rm", text, re.MULTILINE)


def test_what_is_to_be_pasted_into_a_shell_is_quoted_for_it() -> None:
    message = msgspec.structs.replace(sample().message, subject="x; rm -rf $HOME:critical:1")
    text = BUILT_IN.render_for("email")(Owed("m1", message, "1:ab")).text
    assert "riskwarden ack 'x; rm -rf $HOME:critical:1' --for" in text


def test_a_link_that_is_none_is_not_offered() -> None:
    message = msgspec.structs.replace(sample().message, runbook_url="javascript:alert(1)")
    assert "javascript" not in BUILT_IN.render_for("email")(Owed("m1", message, "1:ab")).html


Make = Callable[[dict[str, str]], Renderer]


@pytest.fixture
def broken() -> list[str]:
    """Channels whose template failed."""
    return []


@pytest.fixture
def make(tmp_path: Path, broken: list[str]) -> Iterator[Make]:
    """A renderer with templates of the user's."""
    made: list[Renderer] = []

    def renderer(files: dict[str, str]) -> Renderer:
        for name, text in files.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        made.append(Renderer(tmp_path, broken.append))
        return made[-1]

    yield renderer
    for one in made:
        one.close()


def test_a_template_of_the_user_replaces_one_part_and_leaves_the_others(
    make: Make, broken: list[str]
) -> None:
    renderer = make({"email.subject.j2": "{{ title }} is\n  {{ severity }}"})
    rendered = renderer.render_for("email")(sample())
    assert rendered.subject == "DRAWDOWN_CRITICAL is critical"
    assert rendered.text == BUILT_IN.render_for("email")(sample()).text
    assert broken == []


def test_a_template_of_the_user_can_build_on_the_built_in_one(make: Make) -> None:
    renderer = make({"email.text.j2": 'Desk 7\n{% include "builtin/default.text.j2" %}'})
    text = renderer.render_for("email")(sample()).text
    assert text.startswith("Desk 7\nAccount main")
    assert "riskwarden ack" in text


def test_values_are_escaped_in_templates_of_the_user(make: Make) -> None:
    renderer = make(
        {
            "email.html.j2": '<p>{{ summary }}{% include "_more.j2" %}</p>',
            "_more.j2": "{{ summary }}",
            "slack.text.j2": "{{ summary | truncate(8, true, '') }}",
        }
    )
    message = msgspec.structs.replace(sample().message, summary='<a&b>"')
    owed = Owed("m1", message, "1:ab")
    html = renderer.render_for("email")(owed).html
    assert html == "<p>&lt;a&amp;b&gt;&#34;&lt;a&amp;b&gt;&#34;</p>"
    assert renderer.render_for("slack")(owed).text == '&lt;a&amp;b&gt;"'


BROKEN = {
    "a name that does not exist": ("{{ titel }}", "titel"),
    "no template at all": ("{% if title %}", "if"),
    "an error in an expression": ("line\n{{ 1 / 0 }}", ":2:"),
    "a way out of the sandbox": ("{{ ''.__class__.__mro__ }}", "unsafe"),
    "a file from elsewhere": ('{% include "../../etc/passwd" %}', "passwd"),
    "nothing to say": ("{% if false %}x{% endif %}", "empty"),
    "itself": ('{% include "email.text.j2" %}', "recursion"),
    "megabytes": ("{% for i in range(90000) %}{{ summary }}{% endfor %}", "100000"),
    "a gigabyte at once": ("{{ 'x' * 3000000000 }}", ""),
    "a number without end": ("{{ (10 ** 10000000) ** 10000000 }}", ""),
    "loops in loops": (
        "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}",
        "takes longer",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_template_loses_no_message_and_is_named(
    case: str, make: Make, broken: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    template, named = BROKEN[case]
    render = make({"email.text.j2": template}).render_for("email")
    began = time.monotonic()
    with caplog.at_level(logging.ERROR):
        rendered = render(sample())
    assert time.monotonic() - began < 30
    assert rendered == BUILT_IN.render_for("email")(sample())
    assert broken == ["email"]
    assert "email.text.j2" in caplog.text
    assert named in caplog.text
    assert "riskwarden channels lint" in caplog.text


@pytest.mark.parametrize(
    ("file", "template"),
    [
        ("telegram.html.j2", "<b> &nbsp;</b>\n<i>{{ '' }}</i>"),
        ("slack.text.j2", "{{ ' ' * 3 }}\x00"),
        ("sms.text.j2", "\u200b{{ '' }}"),
        ("webhook.subject.j2", "\u2066 \u200e"),
    ],
)
def test_what_shows_nothing_goes_out_in_the_built_in_words(
    file: str, template: str, make: Make, broken: list[str]
) -> None:
    channel = file.partition(".")[0]
    rendered = make({file: template}).render_for(channel)(sample())
    assert rendered == BUILT_IN.render_for(channel)(sample())
    assert broken == [channel]


def test_templates_work_again_after_one_that_hung_and_changes_are_seen_at_once(
    make: Make, tmp_path: Path
) -> None:
    loops = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
    render = make({"sms.text.j2": loops, "sms.subject.j2": "mine"}).render_for("sms")
    assert render(sample()).subject == "mine"
    (tmp_path / "sms.text.j2").write_text("short: {{ title }}")
    assert render(sample()).text == "short: DRAWDOWN_CRITICAL"


def test_the_process_of_the_templates_knows_no_secret(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_PASSWORD", "hunter2-secret")
    renderer = make({"sms.text.j2": "x"})
    assert renderer.render_for("sms")(sample()).text == "x"
    process = renderer._workshops["sms"]._process
    assert process is not None
    assert b"hunter2" not in Path(f"/proc/{process.pid}/environ").read_bytes()


def test_a_folder_that_is_not_there_is_said_and_messages_go_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    renderer = Renderer(tmp_path / "nowhere")
    assert "templates_path" in caplog.text
    assert renderer.render_for("email")(sample()).text


def test_the_folder_is_relative_to_the_policy_file() -> None:
    text = b'[alerting.channels]\ntemplates_path = "words"'
    assert templates_folder(parse_policy(text, "/etc/desk/alerting.toml", {})) == Path(
        "/etc/desk/words"
    )
    assert templates_folder(parse_policy(b"", environ={})) is None
