"""What a policy may ask for in the way of reports."""

from __future__ import annotations

import pytest

from risk_policy import InvalidPolicyError, parse_policy

EMAIL = (
    '[alerting.channels.email]\nenabled = true\nsmtp_host = "127.0.0.1"\n'
    'to_addresses = ["a@example.com"]\n'
)
ON = "[alerting.reports]\nenabled = true\n"


def problems(text: str) -> str:
    with pytest.raises(InvalidPolicyError) as raised:
        parse_policy(text.encode())
    return "\n".join(problem.render("p.toml") for problem in raised.value.problems)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('at = "6:00"', 'must be "HH:MM"'),
        ('at = "24:00"', 'must be "HH:MM"'),
        ('location = "Berlin"', "is no time zone"),
        ('kinds = ["hourly"]', "kinds"),
        ('formats = ["docx"]', "formats"),
        ('channels = ["mail"]', "did you mean email?"),
        ('channels = [["email"], "console"]', "alerting.reports.channels"),
        ('channels = ["email"]', "is not enabled and would tell nobody"),
        ("kinds = []", "asks for reports and names none"),
        ("formats = []", "asks for reports and names none"),
        ("[alerting.reports.objectives]\nuptime_pct = 101", "must be at most 100"),
        ("[alerting.reports.objectives]\nbreach_to_human_seconds = 100000", "must be at most"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_words(text: str, said: str) -> None:
    assert said in problems(ON + text)


def test_reports_for_a_channel_that_is_enabled_are_fine() -> None:
    policy = parse_policy((EMAIL + ON + 'channels = ["email"]').encode())
    assert policy.alerting.reports.channels == ("email",)
