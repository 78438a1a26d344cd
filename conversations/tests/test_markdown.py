"""What people and agents say, as HTML: nothing of it runs, loads anything, leaves its place or gets lost."""

import sys
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import fuzzed
from conversations.markdown import CELLS_MAX, MARKDOWN_MAX_LENGTH, NESTING_MAX, STEPS_MAX, Steps, to_html

ALLOWED: dict[str, set[str]] = {
    "a": {"href", "rel", "title"},
    "div": {"class", "role", "aria-label", "tabindex"},
    "ol": {"start"},
    "p": {"class"},
    "pre": {"tabindex"},
    "td": {"class"},
    "th": {"class"},
    **{tag: set() for tag in ("blockquote", "br", "code", "em", "hr", "li", "s", "strong", "ul")},
    **{tag: set() for tag in ("table", "tbody", "thead", "tr")},
}
VOID = {"br", "hr"}

HOSTILE = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example.com/x.js>",
    "<img src=x onerror=alert(1)>",
    '<svg xmlns="http://www.w3.org/2000/svg"><a href="javascript:alert(1)"><text>x</text></a></svg>',
    "<math><mtext><table><mglyph><style><!--</style><img title='--><img src=1 onerror=alert(1)>'>",
    "<iframe srcdoc='<script>alert(1)</script>'>",
    "<style>body { display: none }</style><link rel=stylesheet href=//evil.example.com>",
    "<!-- hidden --> <![CDATA[ hidden ]]> <?php hidden ?>",
    "</p></div></article></main></body></html>",
    "<div><b><i><table><tr><td><textarea><title><noscript>",
    "<base href=//evil.example.com><form action=//evil.example.com><button>Save",
    "[x](javascript:alert(1)) [x](JaVaScRiPt:alert(1)) [x](java\nscript:alert(1)) [x](&#106;avascript:alert(1))",
    "[x](<javascript:alert(1)>) [x](vbscript:x) [x](file:///etc/passwd) [x](\x01javascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>) ![x](data:image/svg+xml,<svg onload=alert(1)>)",
    "[x](//evil.example.com) [x](/admin/logout/) [x](?oldest=) [x](#newest)",
    "<javascript:alert(1)> <data:text/html,x>",
    '[x](https://example.com "\\"><script>alert(1)</script>") [x](https://example.com/"onclick="alert(1))',
    "![x](https://evil.example.com/pixel.png) [![x](https://evil.example.com/pixel.png)](https://example.com)",
    "[x]: javascript:alert(1)\n\n[x]",
    '```"><script>alert(1)</script>\n</code></pre><script>alert(1)</script>\n```',
    "`</code><script>alert(1)</script>`",
    "# <script>alert(1)</script> {#id onclick=alert(1)}",
    "|<script>|\n|---|\n|<img src=x onerror=alert(1)>|",
    "&lt;script&gt; &#60;script&#62; &#x3c;script>",
    "{{ settings.SECRET_KEY }} {% debug %}",
    "\u202ealert\u202c \u2066\u2067\u200f \ufeff",
    "\x00<scr\x00ipt>",
]
# Each took a parser of Markdown long at some time, or deep.
COSTLY = [
    *(
        "[",
        "[](",
        "![](",
        "*_",
        "**_* ",
        "`",
        "~~",
        "<",
        "&#1;",
        "> ",
        "- ",
        "1. ",
        "[a](<",
        "*a **a ",
        "<a ",
        "\n",
        "|",
    ),
    *("[a]: b\n\n", "a\n> ", "- > ", "<http://a>", '[a]: b "', "***\n", "\t", "((", "[a]", "|a|\n|-|\n", "\\"),
    *("> ~~~\na\n", ">~~~\na\n", ">>~~~\na\n", "- ~~~\na\n", "> - ```\na\n", "> |a|\n|-|\n", ">     a\nb\n"),
    *("[a](http://a) ", "*a* ", "`` ` ", "- a\n"),
]
# What texts are made of that a parser looks at twice.
PIECES = [
    *(
        "a",
        " ",
        "\n",
        "\n\n",
        "\t",
        "    ",
        "> ",
        ">",
        "- ",
        "* ",
        "1. ",
        "2) ",
        "#",
        "---\n",
        "===\n",
        "|",
        "|-|\n",
        "\\",
    ),
    *(
        "~~~\n",
        "```\n",
        "[",
        "]",
        "](",
        "(",
        ")",
        "![",
        "[a]: b\n",
        "<",
        "<http://a",
        '"',
        "'",
        "*",
        "_",
        "**",
        "~~",
        "`",
    ),
    *("``", "&", "&amp;", "&#1;", "!", "a@b.c"),
]
# Calls of functions that a step may take, those of the interpreter's included.
CALLS_OF_A_STEP = 20


class Reader(HTMLParser):
    """Reads HTML as a browser would, and holds it to what may be there."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[dict[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED
        assert {name for name, _ in attrs} <= ALLOWED[tag]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(to_html(text))
    reader.close()
    assert not reader.open
    for link in reader.links:
        assert str(link["href"]).lower().startswith(("http://", "https://", "mailto:"))
        assert link["rel"] == "noopener noreferrer nofollow"
    return reader


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_only_text(text: str) -> None:
    read(text)
    read(f"> - {text}\n\n{text * 20}")


def fill(piece: str) -> str:
    """As much of it as is laid out."""
    return (piece * MARKDOWN_MAX_LENGTH)[:MARKDOWN_MAX_LENGTH]


def calls(text: str) -> int:
    """How many functions are called to lay it out: its cost, whatever else the machine does."""
    count = 0

    def on_event(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(on_event)
    try:
        to_html(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("piece", COSTLY)
def test_costly_text_is_laid_out_at_a_bounded_cost(piece: str) -> None:
    assert calls(fill(piece)) < CALLS_OF_A_STEP * STEPS_MAX


@fuzzed
@given(st.lists(st.sampled_from(PIECES), min_size=2, max_size=6), st.sampled_from(["in turn", "one by one"]))
def test_any_text_is_laid_out_at_a_bounded_cost(pieces: list[str], order: str) -> None:
    share = MARKDOWN_MAX_LENGTH // len(pieces)
    text = fill("".join(pieces)) if order == "in turn" else "".join((piece * share)[:share] for piece in pieces)

    assert calls(text) < CALLS_OF_A_STEP * STEPS_MAX


def test_what_takes_too_many_steps_is_shown_as_written() -> None:
    text = fill("> ~~~\na\n")
    steps = Steps(10 * STEPS_MAX)

    assert to_html(text, steps).startswith('<p class="plain">')
    assert STEPS_MAX <= 10 * STEPS_MAX - steps.left <= STEPS_MAX + 1


def test_steps_are_shared_by_several_texts() -> None:
    one = Steps(STEPS_MAX)
    to_html("**bold**", one)
    shared = Steps(2 * (STEPS_MAX - one.left))

    shown = [to_html("**bold**", shared) for _ in range(3)]

    assert ["<strong>" in html for html in shown] == [True, True, False]
    assert "**bold**" in shown[-1]


@pytest.mark.parametrize("piece", COSTLY)
def test_costly_text_is_laid_out_whole(piece: str) -> None:
    text = (piece * MARKDOWN_MAX_LENGTH)[: MARKDOWN_MAX_LENGTH - 4] + " end"

    reader = read(text)

    assert "end" in reader.text or "end" in str(reader.links)
    # It grows no more than its characters do when they are escaped, each in an element of its own.
    assert len(to_html(text)) < 20 * len(text)


@pytest.mark.parametrize(
    "text",
    [
        "x" * (MARKDOWN_MAX_LENGTH + 1),
        ">" * NESTING_MAX + " hidden",
        "- " * NESTING_MAX + "hidden",
        "a\n" * (CELLS_MAX // 2) + "a|b",
        "|a" * 500 + "\n" + "|-" * 500 + "\n" + "x\n" * 20,
        "| a |\n| --- |\n| 1 | 🥛 |",
    ],
    ids=["long", "nested quotes", "nested lists", "many lines", "wide table", "cells beyond the table"],
)
def test_what_is_too_much_or_would_be_hidden_is_shown_as_written(text: str) -> None:
    reader = read(text)

    assert reader.text == text
    assert to_html(text).startswith('<p class="plain">')


def test_common_markdown() -> None:
    html = to_html(
        "# Plan\nfirst\nsecond **bold** *em* ~~gone~~ `code`\n\n- a\n- b\n\n3. c\n\n> quote\n\n"
        "```python\nif x < 1:\n```\n\n| a | b |\n| --- | ---: |\n| 1 | 2 |"
    )

    for expected in [
        '<p class="heading">Plan</p>',
        "first<br>\nsecond <strong>bold</strong> <em>em</em> <s>gone</s> <code>code</code>",
        "<ul>\n<li>a</li>",
        '<ol start="3">',
        "<blockquote>\n<p>quote</p>",
        '<p class="language">python</p>\n<pre tabindex="0"><code>if x &lt; 1:\n</code></pre>',
        '<td>1</td>\n<td class="right">2</td>',
    ]:
        assert expected in html


@pytest.mark.parametrize(
    ("text", "href", "shown"),
    [
        ("[site](https://example.com/?a=1&b=2)", "https://example.com/?a=1&b=2", "site"),
        ("[site](HTTPS://example.com)", "HTTPS://example.com", "site"),
        ("<ann@example.com>", "mailto:ann@example.com", "ann@example.com"),
        ("![a photo](https://example.com/a.png)", "https://example.com/a.png", "!a photo"),
        ("[](https://example.com)", "https://example.com", "https://example.com"),
        ("![](https://example.com/a.png)", "https://example.com/a.png", "!https://example.com/a.png"),
        ("[ ](https://example.com)", "https://example.com", "https://example.com "),
    ],
)
def test_links_can_be_seen_and_followed(text: str, href: str, shown: str) -> None:
    reader = read(text)

    assert [link["href"] for link in reader.links] == [href]
    assert reader.text.strip("\n") == shown


@pytest.mark.parametrize(
    "hidden", ["[note]: https://example.com 'secret'", "<!-- secret -->", "```secret\n```", "<b hidden>secret</b>"]
)
def test_nothing_is_hidden(hidden: str) -> None:
    assert "secret" in read(hidden).text


def test_text_of_any_script() -> None:
    text = "שלום עולם\n\n你好\n\nกรุงเทพ\n\n👨‍👩‍👧‍👦"

    assert read(text).text.split() == text.split()
