"""`riskwarden channels preview|lint` as a user meets them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import nursery
import pytest

LOOPS = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
#: Each message that it is tried with takes the whole of its time.
OF_ONE_MESSAGE = "ok{% if kind == 'digest' and severity == 'emergency' %}" + LOOPS + "{% endif %}"
POLICY = "[alerting.channels]\ntemplates_path = 'words'\n"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def channels(
        *arguments: str, files: dict[str, str | bytes] | None = None
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "desk.toml").write_text(POLICY)
        for name, text in (files or {}).items():
            data = text if isinstance(text, bytes) else text.encode()
            folder = tmp_path / "words"
            folder.mkdir(exist_ok=True)
            (folder / name).write_bytes(data)
        return nursery.run(
            "riskwarden", "channels", *arguments, "--policy", "desk.toml", cwd=tmp_path
        )

    return channels


def test_a_preview_shows_each_channel_in_its_words(run: Run, tmp_path: Path) -> None:
    done = run("preview", "--html", "mail.html", files={"sms.text.j2": "mine: {{ title }}"})
    assert done.returncode == 0, done.stderr
    assert "<b>[CRITICAL] DRAWDOWN_CRITICAL drawdown/main</b>" in done.stdout
    assert "*Value:* 21.4%, against a limit of 20%" in done.stdout
    assert "mine: DRAWDOWN_CRITICAL" in done.stdout
    assert "Open the runbook" in (tmp_path / "mail.html").read_text()


def test_a_preview_is_of_the_kind_and_severity_that_is_asked_for(run: Run) -> None:
    done = run("preview", "email", "--kind", "resolved", "--severity", "emergency", files={"_": ""})
    assert "[RESOLVED] DRAWDOWN_EMERGENCY" in done.stdout
    assert "slack" not in done.stdout


def test_a_preview_of_a_broken_template_says_so(run: Run) -> None:
    done = run("preview", "sms", files={"sms.text.j2": "{{ titel }}"})
    assert done.returncode == 1
    assert "sms.text.j2:1: 'titel' is undefined" in done.stderr
    assert "[CRITICAL]" in done.stdout


def test_a_channel_that_words_nothing_is_named_with_those_that_do(run: Run) -> None:
    done = run("preview", "pigeon", files={"_": ""})
    assert done.returncode == 2
    assert "pigeon words no messages; those that do: email, slack" in done.stderr


def test_the_built_in_templates_have_nothing_wrong_with_them(run: Run) -> None:
    done = run("lint", files={"_signature.j2": "Desk 7"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "templates are fine" in done.stdout


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("email.text.j2", "ok\n{% if kind == 'no' %}{{ titel }}{% endif %}ok",
         "email.text.j2:2: there is no titel; did you mean title?"),
        ("emial.text.j2", "x", "did you mean email.text.j2?"),
        ("slack.text.j2", "x\n{% if x", "slack.text.j2:2: unexpected end of template"),
        ("sms.text.j2", "x\n{{ value[3] }}", "sms.text.j2:2: str object has no element 3"),
        ("sms.text.j2", "{{ advice }}", "sms.text.j2: comes out empty"),
        ("telegram.html.j2", "<b>{{ title }}", "<b> is never closed"),
        ("telegram.html.j2", "{{ title }} <b", "a tag at the end lacks its >"),
        ("telegram.html.j2", "<p>{{ title }}</p>", "Telegram knows no <p>"),
        ("telegram.html.j2", "<b>{{ title | safe }}</b>", "Telegram knows no <script>"),
        ("email.html.j2", "<p>{{ title }}</b>", "</b> closes nothing that is open"),
        ("email.text.j2", OF_ONE_MESSAGE, "takes longer than 2 s"),
        ("email.text.j2", "{{ description * 999 }}", "more than 100000 characters"),
        ("webhook.text.j2", b"\xff\xfe", "cannot be read"),
        ("email.text.j2", "{% include '_none.j2' %}", "_none.j2"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_template_is_told_with_file_line_and_remedy(
    run: Run, name: str, text: str | bytes, told: str
) -> None:
    done = run("lint", files={name: text})
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if told in line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith(f"words/{name}")
    assert "; " in lines[0]


def test_what_a_message_leaves_out_is_a_note_and_no_error(run: Run) -> None:
    done = run("lint", files={"sms.text.j2": "{{ headline }} {{ value }} {{ runbook_url }}"})
    assert done.returncode == 0
    assert "words/sms.text.j2: note: does not say how to acknowledge it; add" in done.stderr
    assert "how bad" not in done.stderr


def test_a_folder_that_is_not_there_is_told(run: Run) -> None:
    done = run("lint")
    assert done.returncode == 1
    assert "words: is no folder; correct alerting.channels.templates_path" in done.stderr
