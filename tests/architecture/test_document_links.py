"""What documents link to is there, heading and all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = [
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/incidents").glob("*.md")),
    *sorted((ROOT / "docs/reference").glob("*.md")),
]
ADVICE = sorted((ROOT / "policy/risk_policy/catalogue/advice").glob("*.md"))


GENERATED = sorted((ROOT / "docs/runbooks").glob("*.md"))


def look_through(path: Path) -> None:
    """Every link leads somewhere, and every document that is named is there."""
    whole = path.read_text(encoding="utf-8")
    text = re.sub(r"```.*?```", "", whole, flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, heading = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), f"{path.name}: {link}"
        if heading:
            lines = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in lines}
            assert heading in anchors, f"{path.name}: {link}"
    for name in re.findall(r"\bdocs/[\w/-]+\.md\b", whole):
        assert (ROOT / name).is_file(), f"{path.name}: {name}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_leads_to_is_there(path: Path) -> None:
    look_through(path)


def test_what_runbooks_lead_to_is_there() -> None:
    assert len(GENERATED) > 100
    for path in (*GENERATED, *ADVICE):
        look_through(path)


def test_every_document_is_reached_from_the_readme() -> None:
    """One that nothing leads to is not read, and not missed when it is wrong."""
    waiting, found = [ROOT / "README.md"], set[Path]()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            links = re.findall(r"\]\(([^)#\s:]+\.md)[)#]", path.read_text(encoding="utf-8"))
            waiting += [(path.parent / link).resolve() for link in links]
    assert {path.resolve() for path in (ROOT / "docs").rglob("*.md")} <= found
