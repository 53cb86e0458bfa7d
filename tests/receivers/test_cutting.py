"""However a text is cut, every part is fit to be sent and nothing of it is lost."""

from __future__ import annotations

from html import escape
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.channels.cutting import (
    clean,
    cut,
    html_to_plain,
    split,
    split_html,
    split_mrkdwn,
    units,
)

ANY_TEXT = st.text(st.characters(), max_size=300)  # halves of surrogate pairs included
TEXT = st.text(
    st.one_of(st.sampled_from("ab &<>\"'\n😀𝕏é"), st.characters(exclude_categories=["Cs", "Cc"])),
    max_size=40,
)


def element(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    tags = st.sampled_from(
        [("<b>", "</b>"), ("<i>", "</i>"), ("<code>", "</code>"), ('<a href="http://x">', "</a>")]
    )
    return st.builds(
        lambda tag, inside: tag[0] + "".join(inside) + tag[1], tags, st.lists(children, max_size=4)
    )


HTML = st.lists(st.recursive(TEXT.map(escape), element, max_leaves=12), max_size=8).map("".join)


class Reader(HTMLParser):
    """What people see, and whether every tag is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.text = ""
        self.opened: list[str] = []
        self.feed(text)
        self.close()
        assert self.opened == [], text

    def handle_starttag(self, tag: str, _: object) -> None:
        self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        assert "&" not in data, "an entity was cut"
        self.text += data

    def handle_entityref(self, name: str) -> None:
        self.text += {"amp": "&", "lt": "<", "gt": ">", "quot": '"'}[name]

    def handle_charref(self, name: str) -> None:
        self.text += {"x27": "'"}[name]


def without_space(text: str) -> str:
    return "".join(text.split())


@given(ANY_TEXT)
def test_what_is_clean_can_be_sent(text: str) -> None:
    found = clean(text)
    assert found.encode().decode() == found
    assert not any(ord(c) < 32 and c not in "\n\t" for c in found)
    assert units(found) == len(found.encode("utf-16-le")) // 2


@given(HTML, st.integers(40, 120))
def test_parts_of_html_are_well_formed_and_say_everything(text: str, most: int) -> None:
    parts = split_html(text, most)
    if parts is None:  # so many tags are open that no room is left
        assert text.count("<") > 2
        return
    assert all(units(part) <= most for part in parts)
    read = [Reader(part).text for part in parts]
    assert all(part.strip() for part in read)
    assert without_space("".join(read)) == without_space(Reader(text).text)


@given(HTML)
def test_html_as_plain_text_is_what_people_read(text: str) -> None:
    assert html_to_plain(text) == Reader(text).text


@given(ANY_TEXT, st.integers(1, 50))
def test_html_that_is_none_is_cut_all_the_same(text: str, most: int) -> None:
    parts = split_html(clean(text), most)
    assert parts is None or all(units(part) <= most for part in parts)


@given(ANY_TEXT.map(clean), st.integers(2, 50))
def test_parts_of_plain_text_say_everything(text: str, most: int) -> None:
    parts = split(text, most)
    assert all(0 < units(part) <= most and part.strip() for part in parts)
    assert without_space("".join(parts)) == without_space(text)


@given(TEXT.map(lambda text: escape(text, quote=False)), st.integers(10, 50))
def test_parts_of_slacks_markup_cut_no_entity_and_no_link(text: str, most: int) -> None:
    text = f"{text} <!here> {text}<u|x>"
    parts = split_mrkdwn(text, most)
    assert all(units(part) <= most for part in parts)
    assert all(part.count("<") == part.count(">") for part in parts)
    assert all(part.count("&") == part.count(";") - unescaped(part) for part in parts)
    assert without_space("".join(parts)) == without_space(text)


def unescaped(text: str) -> int:
    """How many semicolons end no entity."""
    return text.count(";") - sum(text.count(entity) for entity in ("&amp;", "&lt;", "&gt;"))


@given(ANY_TEXT.map(clean), st.integers(5, 50))
def test_a_cut_text_is_as_long_as_it_may_be_and_shows_that_it_was_cut(text: str, most: int) -> None:
    found = cut(text, most)
    assert units(found) <= most
    assert found == text or found.endswith("...")


def test_a_part_ends_after_a_line_or_else_after_a_word() -> None:
    assert split("one two\nthree four", 14) == ["one two\n", "three four"]
    assert split("one two three", 9) == ["one two ", "three"]
    assert split("onetwothree", 5) == ["onetw", "othre", "e"]


@pytest.mark.parametrize("text", ["", "\n\n", "<b></b>", "<b> </b>"])
def test_what_shows_nothing_is_no_part(text: str) -> None:
    assert split_html(text, 10) == []


def test_white_space_that_is_cut_is_nothing() -> None:
    assert cut(" " * 50, 10) == "..."
    assert split("😀a", 1) == ["😀", "a"]


def test_tags_that_leave_no_room_are_told() -> None:
    assert split_html(f'<a href="{"x" * 50}">hello</a>', 40) is None


def test_a_long_text_is_cut_quickly() -> None:
    parts = split_html("<b>" + "5 &lt; 6 😀\n" * 20_000 + "</b>", 4096)
    assert parts is not None
    assert len(parts) > 50
