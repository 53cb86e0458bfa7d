"""A signer: what it refuses to sign, and that nothing it has signed is ever forgotten."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hashed_leaves import leaves, tree_of

from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.note import VerifierKey
from risk_receivers.signer.errors import InconsistentHeadError, NotThereError, SignerFilesError
from risk_receivers.signer.files import public_path, state_path
from risk_receivers.signer.signer import KeptSigner

NAME = "riskwarden/test"


@pytest.fixture
def key_path(tmp_path: Path) -> Path:
    """Where the key is to be."""
    return tmp_path / "audit" / "signing.key"


@pytest.fixture
def opened(key_path: Path) -> Iterator[Callable[[], KeptSigner]]:
    """Opens the signer, once the one before has ended."""
    held: list[KeptSigner] = []

    def end() -> None:
        while held:
            held.pop().close()

    def begin() -> KeptSigner:
        end()
        held.append(KeptSigner(key_path, NAME))
        return held[0]

    yield begin
    end()


@pytest.fixture
def signer(opened: Callable[[], KeptSigner]) -> KeptSigner:
    """One that has signed five leaves."""
    signer = opened()
    signer.begin(5, tree_of(leaves(5)).frontier, b"")
    return signer


def test_the_key_is_made_once_for_its_owner_alone(
    opened: Callable[[], KeptSigner], key_path: Path
) -> None:
    first = opened().key
    assert stat.S_IMODE(key_path.stat().st_mode) == 0o600
    assert VerifierKey.parse(public_path(key_path).read_text()) == first
    assert opened().key == first
    assert sorted(path.name for path in key_path.parent.iterdir()) == [
        "signing.key",
        "signing.key.pub",
    ]


def test_what_it_signs_goes_on_from_what_it_has_signed(signer: KeptSigner) -> None:
    grown = leaves(9)
    note = signer.sign(5, grown[5:], tree_of(grown).root)
    checkpoint, signed = Checkpoint.of(note)
    assert (checkpoint.origin, checkpoint.previous) == (NAME, 5)
    assert checkpoint.head.root == tree_of(grown).root
    assert signed.signed_by([signer.key]) == [signer.key]
    assert signer.latest().note == note


@pytest.mark.parametrize("of", ["forked", ""])
def test_it_refuses_a_fork(signer: KeptSigner, of: str) -> None:
    before = signer.latest()
    forked = leaves(9, of) if of else [*leaves(3), *leaves(6, "other")]
    with pytest.raises(InconsistentHeadError, match="rewritten or forked"):
        signer.sign(5, forked[5:], tree_of(forked).root)
    assert signer.latest() == before


def test_it_refuses_a_rewind(signer: KeptSigner) -> None:
    with pytest.raises(NotThereError) as refused:
        signer.sign(3, leaves(5, "other")[3:], tree_of(leaves(5, "other")).root)
    assert refused.value.size == 5
    with pytest.raises(InconsistentHeadError, match="nothing follows"):
        signer.sign(5, [], tree_of(leaves(5)).root)
    with pytest.raises(NotThereError):
        signer.begin(2, tree_of(leaves(2)).frontier, b"")


def test_it_remembers_what_it_has_signed(
    signer: KeptSigner, opened: Callable[[], KeptSigner], key_path: Path
) -> None:
    kept = signer.latest()
    draft = key_path.with_name(".signing.key.state.0123456789abcdef")
    draft.write_text("as a crash leaves it")
    again = opened()
    assert not draft.exists()
    assert again.latest() == kept
    with pytest.raises(NotThereError):
        again.begin(5, tree_of(leaves(5, "other")).frontier, b"")
    assert stat.S_IMODE(state_path(key_path).stat().st_mode) == 0o600


def test_nothing_leaves_it_that_cannot_be_kept(signer: KeptSigner, key_path: Path) -> None:
    before = signer.latest()
    state_path(key_path).unlink()
    state_path(key_path).mkdir()
    with pytest.raises(SignerFilesError, match="cannot be written"):
        signer.sign(5, leaves(6)[5:], tree_of(leaves(6)).root)
    assert signer.latest() == before


def test_without_its_memory_it_names_the_last_checkpoint_that_there_is(
    signer: KeptSigner, opened: Callable[[], KeptSigner], key_path: Path
) -> None:
    last = signer.latest().note
    state_path(key_path).unlink()
    note = opened().begin(7, tree_of(leaves(7)).frontier, last)
    assert Checkpoint.of(note)[0].previous == 5
    for nonsense in (b"", b"is no checkpoint"):
        state_path(key_path).unlink()
        note = opened().begin(7, tree_of(leaves(7)).frontier, nonsense)
        assert Checkpoint.of(note)[0].previous == 0


def test_a_size_that_no_checkpoint_has_is_refused_and_not_remembered(
    opened: Callable[[], KeptSigner],
) -> None:
    for size in (10**16, 2**60, 2**70):
        with pytest.raises(InconsistentHeadError, match="is no size"):
            opened().begin(size, [bytes(32)] * size.bit_count(), b"")
    assert not opened().latest().note


def test_a_key_is_used_by_one_process_alone_and_only_if_nobody_else_may_read_it(
    signer: KeptSigner, key_path: Path
) -> None:
    with pytest.raises(SignerFilesError, match="another process signs"):
        KeptSigner(key_path, NAME)
    signer.close()
    key_path.chmod(0o640)
    with pytest.raises(SignerFilesError, match="others may read"):
        KeptSigner(key_path, NAME)
    key_path.chmod(0o600)
    KeptSigner(key_path, NAME)


@pytest.mark.parametrize("content", ["", "PRIVATE+KEY+torn", "not a key\n"])
def test_a_damaged_key_is_said_without_quoting_it(key_path: Path, content: str) -> None:
    key_path.parent.mkdir()
    key_path.write_text(content)
    key_path.chmod(0o600)
    with pytest.raises(SignerFilesError, match=r"signing\.key") as refused:
        KeptSigner(key_path, NAME)
    assert not content or content not in str(refused.value)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version":1,"size":5,"frontier":[]}'])
def test_a_damaged_memory_is_not_taken_for_an_empty_one(
    signer: KeptSigner, opened: Callable[[], KeptSigner], key_path: Path, content: str
) -> None:
    state_path(key_path).write_text(content)
    with pytest.raises(SignerFilesError, match="signed last cannot be read"):
        opened()


def test_a_memory_that_does_not_fit_its_own_note_is_refused(
    signer: KeptSigner, opened: Callable[[], KeptSigner], key_path: Path
) -> None:
    path = state_path(key_path)
    kept = path.read_text()
    other = tree_of(leaves(5, "other")).frontier
    for ours, theirs in zip(signer.latest().frontier, other, strict=True):
        kept = kept.replace(ours.hex(), theirs.hex())
    path.write_text(kept)
    with pytest.raises(SignerFilesError, match="not about its tree"):
        opened()
