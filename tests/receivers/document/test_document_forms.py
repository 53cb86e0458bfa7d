"""Every form shows the whole document, and takes nothing in it for markup."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from risk_receivers.document.errors import PdfError
from risk_receivers.document.forms import Form, written
from risk_receivers.document.html import html, paper
from risk_receivers.document.markdown import markdown
from risk_receivers.document.model import (
    Bar,
    BarChart,
    Bound,
    Document,
    Figure,
    Figures,
    Finding,
    Findings,
    Mark,
    Moment,
    Paragraph,
    Point,
    Preformatted,
    Section,
    Series,
    Table,
    TimeChart,
    Tone,
    Unit,
)
from risk_receivers.document.pdf import MOST_ROWS, pdf

BEGAN = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
PLACED = ("x", "y", "width", "height")
KNOWN_TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "h3", "dl", "div", "dt",
    "dd", "p", "section", "figure", "figcaption", "svg", "desc", "text", "line", "rect", "circle",
    "polyline", "table", "caption", "thead", "tbody", "tr", "th", "td", "b", "code", "pre", "ul",
    "li", "span",
}  # fmt: skip


class Page(HTMLParser):
    """What a browser would see: tags, attributes and words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def at(minutes: int, value: float | None) -> Point:
    return Point(BEGAN + timedelta(minutes=minutes), value)


def sample(word: str = "main") -> Document:
    chart = TimeChart(
        f"Drawdown of {word}",
        (
            Series(word, (at(0, 0.1), at(1, 0.15), at(2, None), at(3, 0.2))),
            Series("exceptions", (at(3, 0.2),), dots=True, tone=Tone.CRITICAL),
        ),
        (Bound(f"critical {word}", 0.12, Tone.CRITICAL),),
        (Moment(f"fired {word}", BEGAN + timedelta(minutes=1), Tone.WARNING),),
        Unit.RATIO,
    )
    return Document(
        f"Report on {word}",
        (("Period", word),),
        (
            Paragraph(f"Damaged: {word}", Tone.CRITICAL),
            Figures((Figure("Alerts", "1,234", word), Figure(word, "7", tone=Tone.GOOD))),
            Section(
                word,
                (
                    Table.of(
                        word, ("what", word), [(word, Mark(word, Tone.WARNING))], numeric=(1,)
                    ),
                    Table.of("Hashes", ("hash",), [(Mark(word, code=True),)]),
                    Table.of("Nobody", ("who",), [], empty="nobody at all"),
                    BarChart("By category", (Bar(word, 3), Bar("system", 0))),
                    chart,
                    Findings((Finding(f"Look at {word}", "3 > 2"),)),
                    Findings((), empty="Nothing to do."),
                    Preformatted(f"riskwarden ack {word}"),
                ),
            ),
        ),
    )


def test_a_page_says_everything_and_needs_nothing_else() -> None:
    seen = Page(html(sample()))
    for words in ("Report on main", "Damaged: main", "1,234", "nobody at all", "Nothing to do."):
        assert words in seen.text
    assert not seen.all("script")
    assert not seen.all("link")
    assert not re.search(r"https?://|url\(|@import", html(sample()))
    policies = [one["content"] or "" for one in seen.all("meta") if "http-equiv" in one]
    assert len(policies) == 1
    assert policies[0].startswith("default-src 'none'; style-src 'sha256-")
    assert all("style" not in attributes for _, attributes in seen.tags)  # it would be refused


def test_a_page_tells_those_who_do_not_see_it_what_its_tables_and_pictures_are() -> None:
    page = html(sample())
    seen = Page(page)
    assert all(head.get("scope") == "col" for head in seen.all("th"))
    pictures = seen.all("svg")
    assert len(pictures) == 2
    for picture in pictures:
        assert picture["role"] == "img"
        for name in (picture["aria-labelledby"] or "").split():
            assert page.count(f'id="{name}"') == 1
    assert "from 10% (2026-11-02 09:00:00 UTC) to 20% (2026-11-02 09:03:00 UTC)" in page


def test_a_gap_in_what_was_measured_is_a_gap_in_the_line() -> None:
    drawn = [one for one in Page(html(sample())).all("polyline") if "s0" in (one["class"] or "")]
    assert [len((line["points"] or "").split()) for line in drawn] == [2, 2]


def test_names_of_levels_stand_beside_the_plot_and_touch_neither_lines_nor_each_other() -> None:
    levels = (0.10, 0.101, 0.20)
    bounds = tuple(Bound(f"level {value}", value) for value in levels)
    line = Series("main", (at(0, 0.0), at(9, 0.25)))
    seen = Page(html(Document("d", (), (TimeChart("Drawdown", (line,), bounds),))))
    names = [one for one in seen.all("text") if one["class"] == "note"]
    heights = sorted(float(one["y"] or 0) for one in names)
    assert all(below - above >= 14 for above, below in pairwise(heights))
    (drawn,) = seen.all("polyline")
    last = max(float(point.split(",")[0]) for point in (drawn["points"] or "").split())
    assert all(float(one["x"] or 0) > last for one in names)


@pytest.mark.parametrize("most", [1, 3, 7, 10, 95])
def test_what_is_counted_has_no_halves(most: int) -> None:
    line = Series("alerts", (at(0, 0.0), at(9, float(most))))
    page = html(Document("d", (), (TimeChart("Alerts", (line,)),)))
    ticks = re.findall(r'<text class="tick" text-anchor="end"[^>]*>([^<:]*)</text>', page)
    assert len(ticks) >= 2
    assert all(tick.replace(",", "").isdecimal() for tick in ticks), ticks


def test_columns_stand_on_each_other_and_say_what_they_are() -> None:
    hours = [BEGAN + timedelta(hours=number) for number in range(3)]

    def series(name: str, counts: list[float], tone: Tone) -> Series:
        points = tuple(Point(at, count) for at, count in zip(hours, counts, strict=True))
        return Series(name, points, tone=tone)

    below, above = [2.0, 0.0, 1.0], [3.0, 1.0, 0.0]
    both = (series("warning", below, Tone.WARNING), series("critical", above, Tone.CRITICAL))
    document = Document("d", (), (TimeChart("Alerts", both, stacked=True),))
    assert "| critical | 4 | 3 |" in markdown(document)
    assert "warning: 3 all together, at most 2 in one stretch" in html(document)
    seen = Page(html(document))
    drawn = [one for one in seen.all("rect") if float(one["width"] or 0) > 30]
    assert [one["class"] for one in drawn] == [
        "column s0 warning", "column s1 critical", "column s1 critical", "column s0 warning",
    ]  # fmt: skip
    first, second, *_ = [{name: float(one[name] or 0) for name in PLACED} for one in drawn]
    assert (first["x"], first["width"]) == (second["x"], second["width"])
    assert second["y"] + second["height"] == pytest.approx(first["y"], abs=0.2)
    assert second["height"] / first["height"] == pytest.approx(1.5, abs=0.01)
    assert "critical: 3, from 2026-11-02 09:00:00 UTC" in seen.text


def test_a_table_without_rows_is_a_sentence_and_has_no_headings() -> None:
    page = html(
        Document("d", (), (Table.of("Kills", ("when", "who"), [], empty="there was none"),))
    )
    assert '<p class="empty">Kills: there was none</p>' in page
    assert "<th" not in page


def test_on_paper_a_time_is_one_word_and_a_long_name_ends_where_its_words_do() -> None:
    row = ("2026-11-02 09:00:00", "POSITION_SIZE_BREACH", "<_b>")
    page = paper(Document("d", (), (Table.of("", ("when", "what", "how"), [row]),)))
    assert "<time>2026-11-02 09:00:00</time>" in page
    assert "<td>POSITION_<wbr>SIZE_<wbr>BREACH</td><td>&lt;_<wbr>b&gt;</td>" in page


def test_a_chart_without_data_says_so_in_every_form() -> None:
    empty = Document("Empty", (), (TimeChart("Drawdown", (Series("main", ()),)), BarChart("B", ())))
    assert html(empty).count("no data") >= 2
    assert markdown(empty).count("no data") >= 2


def test_markdown_holds_what_a_picture_shows_as_tables() -> None:
    text = markdown(sample())
    assert "| main | 3 | 10% | 10% | 20% | 20% |" in text
    assert "| critical main | 12% |" in text
    assert "| fired main | 2026-11-02 09:01:00 UTC |" in text


MARKUP = (
    "</style><script>alert(1)</script>", "<img src=x onerror=y>", "| a | b |", "# h", "1. x",
    "![x](http://x)", "```\nx", "</title><script>", "<!--", "]]>", "&lt;", "---", "- - -", "===",
)  # fmt: skip
HOSTILE = st.sampled_from(MARKUP) | st.text(
    st.sampled_from("<>&\"'`*_[]()|~\\#-+=!1. \n\tab/éλ漢🚨\u202e"), min_size=1, max_size=30
).filter(str.strip)


@given(HOSTILE)
@settings(max_examples=150, deadline=None)
def test_nothing_in_a_document_becomes_html(word: str) -> None:
    seen, plain = Page(html(sample(word))), Page(html(sample()))
    assert {tag for tag, _ in seen.tags} <= KNOWN_TAGS
    assert [tag for tag, _ in seen.tags] == [tag for tag, _ in plain.tags]
    assert {n for _, a in seen.tags for n in a} == {n for _, a in plain.tags for n in a}


@given(HOSTILE)
@settings(max_examples=150, deadline=None)
def test_nothing_in_a_document_becomes_markdown(word: str) -> None:
    parser = MarkdownIt("commonmark").enable("table")

    def shape(document: Document) -> list[str]:
        tokens = parser.parse(markdown(document))
        inline = [child.type for token in tokens for child in token.children or ()]
        kinds = [kind for kind in inline if kind not in ("text", "text_special", "code_inline")]
        return [token.type for token in tokens] + kinds

    assert shape(sample(word)) == shape(sample("main"))


def test_a_pdf_is_made_of_the_same_document() -> None:
    made = written(sample("Ω→main"), Form.PDF)
    assert made.startswith(b"%PDF-")
    assert made.rstrip().endswith(b"%%EOF")
    assert b"/StructTreeRoot" in made or b"/ObjStm" in made


def test_without_what_makes_it_a_pdf_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "raise OSError('cannot load library libpango-1.0-0')\n"
    (tmp_path / "weasyprint.py").write_text(broken, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(PdfError, match=r"libpango-1\.0-0.*riskwarden\[pdf\].*ask for HTML"):
        pdf(sample())


def test_a_pdf_that_takes_too_long_is_given_up_with_words() -> None:
    with pytest.raises(PdfError, match=r"not ready after 0\.001 s"):
        pdf(sample(), longest_seconds=0.001)


def test_a_table_too_long_for_paper_says_how_much_is_left_out() -> None:
    from risk_receivers.document.pdf import _shortened

    rows = [(str(number),) for number in range(MOST_ROWS + 5)]
    blocks = _shortened((Section("s", (Table.of("t", ("n",), rows),)),))
    page = html(Document("d", (), blocks))
    assert "5 more rows are left out on paper" in page
    assert f"<td>{MOST_ROWS}</td>" not in page
