"""Which passwords are taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.users.passwords import LEAST_LENGTH, MOST_LENGTH, fault_of, normalised


@pytest.mark.parametrize(
    "password",
    [
        "a slow train to Trieste",
        "ein langer Weg nach Königsberg",
        "tr0ub4dor&3 zwölf",
        "correct horse battery staple of ann's aunt",
        "ннннн спокойной ночи",
        "0x8f2a91c47de05b36",
        "x" * 60 + " quick brown jumps",
    ],
)
def test_long_ones_are_taken_whatever_they_are_made_of(password: str) -> None:
    assert fault_of(password, "ann") == ""


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short one", "15 characters"),
        ("Tr0ub4dor&3", "15 characters"),
        ("y" * (MOST_LENGTH + 1), "256 characters at most"),
        ("aaaaaaaaaaaaaaaaaaaa", "different"),
        ("abababababababab", "different"),
        ("12345678901234567", "pattern"),
        ("abcdefghijklmnopq", "pattern"),
        ("98765432109876543", "pattern"),
        ("geheim1geheim1geheim1", "pattern"),
        ("passwordpassword123!", "everybody"),
        ("Password2026Password", "everybody"),
        ("correct horse battery staple", "everybody"),
        ("RiskwardenAdmin2026!", "everybody"),
        ("riskwarden-dashboard", "everybody"),
        ("ann.smith.ann.smith!!", "name"),
        ("Smith Password 1234567", "everybody"),
        ("good enough\0but for this", "NUL"),
    ],
)
def test_what_everybody_tries_first_is_not(password: str, why: str) -> None:
    fault = fault_of(password, "ann.smith")
    assert why in fault
    assert password not in fault


@given(st.text(max_size=300), st.from_regex(r"[a-z0-9][a-z0-9._@+-]{0,20}", fullmatch=True))
def test_every_text_is_taken_or_explained_without_being_told(password: str, name: str) -> None:
    fault = fault_of(password, name)
    assert fault or len(normalised(password)) >= LEAST_LENGTH
    if len(password) > 8:
        assert password not in fault
