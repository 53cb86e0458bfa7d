"""No secret stands in the repository: what looks like one is found in every file that is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Folders that nothing is kept in: what is made, installed or remembered there stays on a machine.
LEFT_OUT = re.compile(
    r"\.git|\.venv.*|\.\w+_cache|\.hypothesis|var|dist|build|node_modules|__pycache__"
)
NOT_KEPT = {"deploy/secrets", "deploy/channels.env", ".env"}
#: How services make theirs, so that nobody has to know one to find it.
LIKE_A_SECRET = {
    "private key": rb"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----",
    "AWS key": rb"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "GitHub token": rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,})\b",
    "Slack token": rb"\bxox[abprs]-[0-9]{8,}-[A-Za-z0-9-]{20,}",
    "Slack webhook": rb"hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{24}",
    "Telegram bot": rb"api\.telegram\.org/bot[0-9]{8,10}:[A-Za-z0-9_-]{35}",
    "Twilio account": rb"\bAC[0-9a-f]{32}\b",
    "Grafana token": rb"\bgls[ac]_[A-Za-z0-9_]{32,}",
    "age key": rb"\bAGE-SECRET-KEY-1[A-Z0-9]{58}\b",
    "password in a URL": rb"\b(?:https?|postgres(?:ql)?|smtps?)://[^\s/:@{}$<>\"'`]+:(?!pw@|password@)"
    rb"[^\s/:@{}$<>\"'`]{6,}@[a-z0-9.-]+\.[a-z]{2,}",
}
#: Made up, to be met by tests: (file, kind).
MADE_UP = {
    ("tests/deployment/test_remote_write.py", "password in a URL"),
    ("tests/support/twilio_stand_in.py", "Twilio account"),
}


def found(content: bytes) -> set[str]:
    return {kind for kind, form in LIKE_A_SECRET.items() if re.search(form, content)}


def kept() -> Iterator[str]:
    """Every file that a clone has, and whatever else lies beside them."""
    for folder, below, names in os.walk(ROOT):
        here = Path(folder).relative_to(ROOT)
        below[:] = [
            name
            for name in below
            if not LEFT_OUT.fullmatch(name) and (here / name).as_posix() not in NOT_KEPT
        ]
        yield from ({(here / name).as_posix() for name in names} - NOT_KEPT)


def test_no_file_that_is_kept_holds_what_looks_like_a_secret() -> None:
    names = [name for name in kept() if (ROOT / name).is_file()]
    assert len(names) > 500
    seen = {(name, kind) for name in names for kind in found((ROOT / name).read_bytes())}
    assert seen == MADE_UP


@pytest.mark.parametrize(
    ("kind", "parts"),
    [
        ("private key", ("-----BEGIN EC ", "PRIVATE KEY-----")),
        ("AWS key", ("AKIA", "IOSFODNN7EXAMPLE")),
        ("GitHub token", ("ghp_", "a1" * 18)),
        ("Slack token", ("xoxb-", "123456789012-abcdefghijklmnopqrstuvwx")),
        ("Slack webhook", ("hooks.slack.com/", "services/T00000000/B00000000/" + "X" * 24)),
        ("Telegram bot", ("api.telegram.org/", "bot123456789:" + "a" * 35)),
        ("Twilio account", ("AC", "0f" * 16)),
        ("password in a URL", ("postgresql://risk:", "hunter2-hunter2@db.example.com/risk")),
    ],
)
def test_the_search_finds_one(kind: str, parts: tuple[str, ...]) -> None:
    """They are put together here, so that this file holds none."""
    assert found("".join(parts).encode()) == {kind}
