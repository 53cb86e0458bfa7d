"""What the console consists of, read once and kept in memory.

All files but the pages stand under one path that names the digest of all of them together. So a
browser may keep each for ever, and a page never runs with scripts of another version. The
console's scripts are sent as one, and so are its styles (:mod:`.bundle`): the first look waits for
a few answers. A type that is not in the table is no part of the console.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_receivers.console import bundle

FOLDER: Final = Path(__file__).parent
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: Where a page wants the path of the other files.
_ASSETS: Final = "{assets}"
#: Where it wants to know whether there is a stream.
_LIVE: Final = "{live}"
#: What the console's scripts and styles are sent as, and what they begin with and consist of.
_SCRIPT, _FIRST_SCRIPT = "all.js", "app"
_STYLE, _STYLES = "all.css", ("base.css", "console.css", "panels.css", "dialogs.css")
#: Characters; enough that no two versions ever share a path.
_DIGEST_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is sent.

    Attributes:
        tag: of its content, for ``ETag`` and ``If-None-Match``.
    """

    content: bytes
    content_type: str
    tag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All of them.

    Attributes:
        digest: of every file but the pages; part of their path.
        pages: by name without its suffix.
        files: by name.
    """

    digest: str
    pages: Mapping[str, Asset]
    files: Mapping[str, Asset]

    @classmethod
    def read(cls, prefix: str, *, live: bool, folder: Path = FOLDER) -> Assets:
        """Read them; what is no page will be asked for at ``prefix``/digest/name."""
        contents = {path.name: path.read_bytes() for path in sorted((folder / "static").iterdir())}
        contents |= _together(contents)  # before the digest, which tells how that is done, too
        whole = hashlib.sha256()
        for name, content in contents.items():
            whole.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
        digest = whole.hexdigest()[:_DIGEST_LENGTH]
        base = f"{prefix}/{digest}"
        pages = {
            path.stem: _asset(".html", _page(path, base, live=live))
            for path in sorted((folder / "pages").glob("*.html"))
        }
        files = {name: _asset(Path(name).suffix, content) for name, content in contents.items()}
        return cls(digest, pages, files)


def _asset(suffix: str, content: bytes) -> Asset:
    return Asset(content, _TYPES[suffix], hashlib.sha256(content).hexdigest()[:_DIGEST_LENGTH])


def _together(contents: Mapping[str, bytes]) -> dict[str, bytes]:
    sources = {
        Path(name).stem: content.decode()
        for name, content in contents.items()
        if name.endswith(".js")
    }
    return {
        _SCRIPT: bundle.script(_FIRST_SCRIPT, sources).encode(),
        _STYLE: b"".join(contents[name] for name in _STYLES),
    }


def _page(path: Path, base: str, *, live: bool) -> bytes:
    text = path.read_text(encoding="utf-8")
    for placeholder, value in {_ASSETS: base, _LIVE: "yes" if live else "no"}.items():
        text = text.replace(placeholder, value)
    return text.encode()
