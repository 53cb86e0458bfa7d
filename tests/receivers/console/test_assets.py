"""What the console is made of: served whole, kept by browsers, and nothing that a page forbids."""

from __future__ import annotations

import re
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from flask import Flask
from flask.testing import FlaskClient

from risk_receivers.console.assets import FOLDER, Assets
from risk_receivers.console.views import console_views

SCRIPTS = sorted((FOLDER / "static").glob("*.js"))
STYLES = sorted((FOLDER / "static").glob("*.css"))
#: Scripts that the console does without once it is open.
ALONE = {"theme_first.js", "login.js"}
#: What could make markup or code of a text, and what would be inline style.
FORBIDDEN = re.compile(
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|setHTMLUnsafe|DOMParser)\b"
    r"|new Function|createContextualFragment|\bstyle:"
)


@pytest.fixture(scope="module")
def console() -> FlaskClient:
    app = Flask("console", static_folder=None)
    app.register_blueprint(console_views(live=True))
    return app.test_client()


class Page(HTMLParser):
    """What a page asks for, and what of it stands within the page itself."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.paths: list[str] = []
        self.inline: list[str] = []
        self.ids: list[str] = []
        self._within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._within = tag
        self.paths += [path for name in ("src", "href") if (path := found.get(name))]
        self.ids += [found["id"] or ""] if "id" in found else []
        self.inline += [name for name in found if name.startswith("on") or name == "style"]

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - as it is called
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in {"script", "style"} and data.strip():
            self.inline.append(data)


@pytest.mark.parametrize("path", ["/", "/login"])
def test_a_page_is_looked_at_anew_and_what_it_asks_for_is_kept_for_ever(
    path: str, console: FlaskClient
) -> None:
    page = console.get(path)
    assert page.content_type == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-cache"
    assert "Date" not in page.headers, "the server in front would tell it twice"
    again = console.get(path, headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")

    wanted = [one for one in Page(page.text).paths if one.startswith("/console/")]
    assert len(wanted) >= 4
    for one in wanted:
        answer = console.get(one)
        assert answer.status_code == 200, one
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        kind = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
        assert answer.content_type.split(";")[0] == kind[one.rpartition(".")[2]]


@pytest.mark.parametrize("path", ["/", "/login"])
def test_no_script_and_no_style_stands_within_a_page_and_browsers_are_told_to_refuse_any(
    path: str, console: FlaskClient
) -> None:
    answer = console.get(path)
    page = Page(answer.text)
    assert page.inline == []
    assert not re.search(r"\{[a-z]+\}", answer.text), "a placeholder was left"
    assert len(page.ids) == len(set(page.ids))
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


def test_what_is_of_another_version_or_unknown_is_not_found(console: FlaskClient) -> None:
    (style, *_) = [one for one in Page(console.get("/").text).paths if one.endswith(".css")]
    _, _, digest, name = style.split("/")
    assert console.get(f"/console/{digest}/{name}").status_code == 200
    assert console.get(f"/console/{'0' * len(digest)}/{name}").status_code == 404
    assert console.get(f"/console/{digest}/views.py").status_code == 404
    assert console.get(f"/console/{digest}/..%2fviews.py").status_code == 404


def test_the_page_asks_for_one_script_and_one_style_that_hold_all_the_others(
    console: FlaskClient,
) -> None:
    paths = Page(console.get("/").text).paths
    asked = [one for one in paths if one.endswith((".js", ".css"))]
    assert [one.rpartition("/")[2] for one in asked] == ["all.css", "theme_first.js", "all.js"]
    style, _, script = (console.get(one).text for one in asked)
    for one in SCRIPTS:
        assert (one.name in ALONE) != (f"const ${one.stem} = " in script), one.name
    for one in STYLES:
        assert one.name == "login.css" or one.read_text(encoding="utf-8") in style, one.name
    assert "import " not in re.sub(r"//.*", "", script)


def test_the_path_tells_of_all_that_is_sent_and_so_of_how_it_was_put_together() -> None:
    assets = Assets.read("/console", live=True)
    whole = sha256()
    for name in (*sorted({*assets.files} - {"all.js", "all.css"}), "all.js", "all.css"):
        whole.update(name.encode() + b"\0" + sha256(assets.files[name].content).digest())
    assert assets.digest == whole.hexdigest()[: len(assets.digest)]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_short_and_makes_no_markup_of_data(script: object) -> None:
    text = script.read_text(encoding="utf-8")  # type: ignore[attr-defined]
    assert len(text.splitlines()) < 250
    assert not FORBIDDEN.search(text)


def test_every_id_that_the_scripts_look_for_is_on_the_page(console: FlaskClient) -> None:
    ids = {*Page(console.get("/").text).ids, *Page(console.get("/login").text).ids}
    for script in SCRIPTS:
        wanted = set(re.findall(r'byId\("([\w-]+)"\)', script.read_text(encoding="utf-8")))
        assert wanted <= ids, script.name


def test_no_file_of_the_console_names_another_host() -> None:
    pages = sorted((FOLDER / "pages").glob("*.html"))
    for path in (*SCRIPTS, *STYLES, *pages):
        hosts = set(re.findall(r"https?://[\w.]+", path.read_text(encoding="utf-8")))
        assert hosts <= {"http://www.w3.org"}, path.name
