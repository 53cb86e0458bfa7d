"""Signed notes: byte for byte those of Go's sumdb/note, whose key and note stand here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.audit.note import Note, NoteError, SigningKey, VerifierKey, sign

PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SECRET = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
BY_PETER = (
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6"
    "KE6RyyBwJnAM=\n"
)
BY_ENOCH = (
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WW"
    "d1RvMc+QQ=\n"
)
KEYS = [VerifierKey.parse(PETER), VerifierKey.parse(ENOCH)]


def test_a_note_is_signed_as_others_sign_it() -> None:
    key = SigningKey.parse(PETERS_SECRET)
    assert str(key.verifier) == PETER
    assert key.reveal() == PETERS_SECRET
    assert sign(TEXT, key).encode().decode() == f"{TEXT}\n{BY_PETER}"


def test_who_signed_is_told_of_those_that_are_known() -> None:
    note = Note.parse(f"{TEXT}\n{BY_PETER}{BY_ENOCH}".encode())
    assert note.text == TEXT
    assert note.signed_by(KEYS) == KEYS
    assert note.signed_by(KEYS[1:]) == KEYS[1:]
    assert note.signed_by([]) == []
    assert note.encode().decode() == f"{TEXT}\n{BY_PETER}{BY_ENOCH}"
    twice = Note.parse(f"{TEXT}\n{BY_PETER}{BY_PETER}".encode())
    assert twice.signed_by(KEYS) == KEYS[:1]


def test_a_wrong_signature_of_a_known_key_is_never_passed_over() -> None:
    broken = BY_PETER[:60] + "ABCD" + BY_PETER[60:]
    for lines in (broken, BY_PETER + broken, broken + BY_ENOCH):
        with pytest.raises(NoteError, match=r"PeterNeumann\+c74f20a3 does not fit"):
            Note.parse(f"{TEXT}\n{lines}".encode()).signed_by(KEYS)
    assert Note.parse(f"{TEXT}\n{BY_ENOCH}{broken}".encode()).signed_by(KEYS[1:]) == KEYS[1:]


@pytest.mark.parametrize(
    "data",
    [
        TEXT,
        f"{TEXT}\n",
        BY_PETER,
        f"{TEXT}\n{BY_PETER[:-1]}",
        f"\x01{TEXT}\n{BY_PETER}",
        f"{TEXT}\n— Bad Name {BY_PETER.split()[2]}\n",
        f"{TEXT}\n{BY_PETER}Unexpected line.\n",
        f"{TEXT}\n{BY_PETER * 101}",
        f"{TEXT}\n— a+b {BY_PETER.split()[2]}\n",
        f"{TEXT}\n— PeterNeumann x08gow==\n",
        f"{TEXT}\n— PeterNeumann not/base64=\n",
        f"{TEXT}\n{BY_PETER[:-3]}N=\n",
        "",
    ],
)
def test_what_is_no_note_is_refused(data: str) -> None:
    with pytest.raises(NoteError):
        Note.parse(data.encode())


def test_a_note_may_be_so_long_and_have_so_many_signatures_and_no_more() -> None:
    signatures = f"{TEXT}\n{BY_PETER * 100}".encode()
    assert len(Note.parse(signatures).signatures) == 100
    line = f"\n\n{BY_PETER}".encode()
    long = b"a" * (1_000_000 - len(line)) + line
    assert Note.parse(long).signatures == Note.parse(f"{TEXT}\n{BY_PETER}".encode()).signatures
    with pytest.raises(NoteError, match="longer than 1000000 bytes"):
        Note.parse(b"a" + long)


def test_what_is_no_text_is_refused() -> None:
    with pytest.raises(NoteError, match="UTF-8"):
        Note.parse(b"\xff" + f"{TEXT}\n{BY_PETER}".encode())
    with pytest.raises(NoteError, match="longer than"):
        Note.parse(b"a" * 2_000_000)
    for text in ("no newline", "tab\t\n", "half a pair \ud800\n"):
        with pytest.raises(NoteError):
            sign(text, SigningKey.parse(PETERS_SECRET))


@pytest.mark.parametrize("form", [PETER, PETERS_SECRET])
def test_a_mangled_key_is_refused(form: str) -> None:
    parse = SigningKey.parse if form is PETERS_SECRET else VerifierKey.parse
    parse(form)
    parts = [
        form[i:j]
        for i in range(len(form))
        for j in range(i + 1, len(form) + 1)
        if j - i < len(form)
    ]
    bumped = [form[:i] + chr(ord(form[i]) + 1) + form[i + 1 :] for i in range(len(form))]
    for mangled in parts + bumped:
        with pytest.raises(NoteError):
            parse(mangled)


@pytest.mark.parametrize(
    "key",
    [
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ],
)
def test_a_key_of_another_length_or_kind_is_refused_though_its_id_fits(key: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(key)


def test_a_key_is_never_made_of_another_number_of_bytes() -> None:
    for length in (0, 31, 33):
        with pytest.raises(NoteError, match=f"32 bytes, not {length}"):
            VerifierKey("desk", bytes(length))
        with pytest.raises(NoteError, match="32 bytes"):
            SigningKey("desk", bytes(length))


@pytest.mark.parametrize("name", ["", "two words", " desk", "desk\t", "desk+1", "\x01"])
def test_what_is_no_name_of_a_key_is_refused(name: str) -> None:
    for make in (VerifierKey, SigningKey):
        with pytest.raises(NoteError):
            make(name, bytes(32))


def test_a_secret_is_not_shown_by_accident() -> None:
    key = SigningKey.generate("riskwarden/audit")
    secret = key.reveal().split("+", 4)[4]
    assert secret not in repr(key) + str(key)
    assert key.seed.hex() not in repr(key)
    assert repr(key.seed) not in repr(key)
    with pytest.raises(NoteError) as refused:
        SigningKey.parse(key.reveal()[:-4] + "AAAA")
    assert secret[:20] not in str(refused.value)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(lambda t: t + "\n"))
def test_whatever_is_signed_is_read_back(text: str) -> None:
    key = SigningKey.generate("k")
    note = Note.parse(sign(text, key).encode())
    assert note.text == text
    assert note.signed_by([key.verifier]) == [key.verifier]


@given(st.data())
def test_a_changed_text_is_signed_by_nobody(data: st.DataObject) -> None:
    where = data.draw(st.integers(0, len(TEXT) - 2))
    letter = data.draw(st.sampled_from("abcxyz Q").filter(lambda one: one != TEXT[where]))
    changed = TEXT[:where] + letter + TEXT[where + 1 :]
    with pytest.raises(NoteError, match="does not fit"):
        Note.parse(f"{changed}\n{BY_PETER}".encode()).signed_by(KEYS)
