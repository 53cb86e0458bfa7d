"""Every case, and what is made of them: a page of the documentation, and the README's table.

``python -m tampering.table`` in tests/support writes both anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tampering import checkpoints, contents, ends, order, retention, staging
from tampering.case import Case

_ROOT: Final = Path(__file__).parents[3]
PAGE: Final = _ROOT / "docs" / "tampering.md"
README: Final = _ROOT / "README.md"
_BEGIN: Final = "<!-- attacks, by python -m tampering.table -->\n"
_END: Final = "<!-- end of attacks -->\n"
CASES: Final[tuple[Case, ...]] = (
    *contents.CASES,
    *order.CASES,
    *retention.CASES,
    *ends.CASES,
    *checkpoints.CASES,
    *staging.CASES,
)
_OPENING: Final = """\
# Tampering with the audit chain

Whoever can write the database can change every byte of it. What follows are the attacks that are
tried on a real database by `tests/receivers/tampering/`, with everything recomputed that can be
recomputed without a secret, and what `riskwarden audit verify` knows each of them by. The layer
that is meant for an attack stands first. This page is made from the code of those tests.

Two layers are not on the machine. The **pinned key** is the signer's public key, which the auditor
has kept (`--key`); a **witness** is a head that was seen elsewhere, in any message (`--head`) or by
Prometheus (`--witness http://127.0.0.1:9490`): whoever has the signing key can write any history
anew, but not what others have seen of the old one. The service itself holds its chain against
Prometheus at every start, and `RISK_AUDIT_CHAIN_BROKEN` fires if that has seen another one.

Nor does any of these attacks convince an auditor who has kept the key and a head, and is handed an
export that the attacker has written himself: `riskwarden-verify` finds a fault, or says what nobody
vouches for.

With a signer of its own, under its own user, the key cannot be taken from where the database is
written, nor can what the signer remembers.

"""
_HEADING: Final = "| attack | what the attacker does | known by |\n|---|---|---|\n"


def page() -> str:
    """The page."""
    return _OPENING + _table()


def readme(text: str) -> str:
    """The README with its table."""
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError("the README has no place for the table")
    summary = f"<summary>All {len(CASES)} of them</summary>"
    return f"{before}{begin}<details>{summary}\n\n{_table()}\n</details>\n{end}{after}"


def _table() -> str:
    return _HEADING + "".join(
        f"| {case.name} | {case.does} | {', '.join(layer.title for layer in case.caught)} |\n"
        for case in CASES
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    README.write_text(readme(README.read_text(encoding="utf-8")), encoding="utf-8")
