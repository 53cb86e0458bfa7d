"""A runbook in a browser says what it says as text, and can do nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from risk_policy import Policy, default_policy_path, load_policy
from risk_policy.catalogue import runbooks
from risk_receivers.runbook_page import page

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class Seen(HTMLParser):
    """What a browser makes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.said: list[str] = []
        self.found: dict[str, list[str]] = {}
        self.links: list[str] = []
        self.attributes: set[tuple[str, str]] = set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)
        self.found.setdefault(tag, []).append("")
        self.attributes |= {(tag, name) for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.said.append(data)
            self.found[self.open[-1]][-1] += data


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(default_policy_path(), {})


@pytest.mark.parametrize("name", runbooks.names())
def test_every_runbook_is_a_whole_page_with_nothing_of_the_markup_left(
    name: str, policy: Policy
) -> None:
    text = runbooks.render(policy, name)
    seen = Seen(page(name, text))
    assert seen.open == []
    assert seen.found["h1"] == [name]
    assert seen.found["h2"] == re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert len(seen.found["pre"]) == text.count("```promql")
    queries = re.findall(r"^```promql\n(.*?)\n```$", text, re.DOTALL | re.MULTILINE)
    said = "".join(seen.said)
    assert all(query in said for query in queries)
    for query in queries:
        said = said.replace(query, "")
    assert not re.search(r"```|\*\*|\]\(|\|", said)
    assert len(seen.found.get("li", [])) == len(re.findall(r"^(?:-|\d+\.) ", text, re.MULTILINE))


@pytest.mark.parametrize(
    "markup", ["<script>x</script>", "`<b>`", "[a](javascript:x)", '[a](http://x/"onclick=x)']
)
def test_nothing_that_it_says_becomes_markup(markup: str) -> None:
    seen = Seen(page("<i>", f"# {markup}\n\n- {markup}\n\n| a |\n|---|\n| {markup} |\n"))
    assert not {"script", "b", "i"} & set(seen.found)
    assert {name for tag, name in seen.attributes if tag != "meta"} <= {"href", "lang"}
    assert not [link for link in seen.links if not link.startswith("http://x/")]


def test_a_browser_gets_the_page_and_everybody_else_the_text(shared: Any) -> None:
    path = "/runbooks/DRAWDOWN_EMERGENCY"
    shown = shared.client.get(shared.url + path, headers={"Accept": BROWSER})
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src" not in shown.headers["content-security-policy"]
    assert "default-src 'none'; style-src 'sha256-" in shown.headers["content-security-policy"]
    assert Seen(shown.text).found["h1"] == ["DRAWDOWN_EMERGENCY"]
    for accept in ("*/*", "text/markdown", "text/plain"):
        plain = shared.client.get(shared.url + path, headers={"Accept": accept})
        assert plain.headers["content-type"] == "text/markdown; charset=utf-8"
        assert plain.headers["vary"] == "Accept"
