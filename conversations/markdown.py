"""What somebody said, as HTML that is safe to show to others: nothing in it runs, loads anything or leaves its place.

HTML is shown as it was written, an image is a link to it, and a link leads only to a web page or an email address. What
takes too much work to lay out, or would hide a part of itself, is shown as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.ruler import Ruler, StateBase
from markdown_it.token import Token

# Characters.
MARKDOWN_MAX_LENGTH = 8_000
# Steps that a text may take: one for each character and for each call of a rule of the parser's. A common text of this
# length takes some 11,000, and dense code thrice as many. There are texts for which the parser's work grows with the
# square of their length.
STEPS_MAX = 45_000
# How deep lists and quotes may lie in each other.
NESTING_MAX = 12
# Cells that a table could have: each row is filled up to the width of the first.
CELLS_MAX = 5_000

# What may be markup, and go.
_MARKUP = re.compile(r"[\s!-/:-@\[-`{-~]+")
_LINK = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
# To others, the page that a link is on is nobody's business, and they get no handle on its window.
_LINK_ATTRIBUTES = {"rel": "noopener noreferrer nofollow"}


class _TooCostlyError(Exception):
    """There were not so many steps."""


@dataclass
class Steps:
    """How much may be done yet. Steps are counted, and not time, so that the same text always looks the same."""

    left: int

    def take(self, count: int = 1) -> None:
        self.left -= count
        if self.left < 0:
            raise _TooCostlyError


class _Renderer(RendererHTML):
    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        link = tokens[idx]
        link.attrs |= _LINK_ATTRIBUTES
        inside = tokens[idx + 1]
        # A link without a text could be neither seen nor followed.
        is_blank = inside.type == "link_close" or (inside.type == "text" and not inside.content.strip())
        return self.renderToken(tokens, idx, options, env) + (escapeHtml(str(link.attrs["href"])) if is_blank else "")

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        # What scrolls sideways can be reached by the keyboard.
        return f'<pre tabindex="0"><code>{escapeHtml(tokens[idx].content)}</code></pre>\n'

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        language = tokens[idx].info.strip()
        said = f'<p class="language">{escapeHtml(language)}</p>\n' if language else ""
        return said + self.code_block(tokens, idx, options, env)

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="table" role="group" aria-label="Table" tabindex="0"><table>\n'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>\n"


_markdown = MarkdownIt("js-default", {"breaks": True, "maxNesting": NESTING_MAX}, renderer_cls=_Renderer)
# Images are loaded from elsewhere, and definitions of links are seen nowhere: both are shown as they were written.
_markdown.disable(["image", "reference"])
_markdown.validateLink = lambda url: _LINK.match(url) is not None  # type: ignore[method-assign]


def _counted(rule: Callable[..., Any]) -> Callable[..., Any]:
    """The rule, each call of which takes a step."""

    def step(state: StateBase, *args: Any) -> Any:
        state.env["steps"].take()
        return rule(state, *args)

    return step


def _count_steps(parser: MarkdownIt) -> None:
    rulers: list[Ruler[Any]] = [parser.block.ruler, parser.inline.ruler, parser.inline.ruler2]
    for ruler in rulers:
        for rule in ruler.__rules__:
            ruler.at(rule.name, _counted(rule.fn), {"alt": rule.alt})
    # What looks for the end of a link goes from token to token, also over those that it knows without a rule.
    parser.inline.skipToken = _counted(parser.inline.skipToken)  # type: ignore[method-assign]


_count_steps(_markdown)


def to_html(text: str, steps: Steps | None = None) -> SafeString:
    """The text as Markdown, or as plain text where that would be too much.

    steps: what this and other texts may take together; without, it is this one alone, and takes at most STEPS_MAX.
    """
    if len(text) > MARKDOWN_MAX_LENGTH or _cells(text) > CELLS_MAX:
        return as_written(text)
    most = STEPS_MAX if steps is None else min(STEPS_MAX, steps.left)
    own = Steps(most)
    try:
        own.take(len(text))
        tokens = _markdown.parse(text, {"steps": own})
    except _TooCostlyError:
        return as_written(text)
    finally:
        if steps is not None:
            steps.left -= most - own.left
    # The parser leaves out what is nested too deep, and cells of a table beyond its width.
    if sum(map(_weight, (token.content + token.info for token in tokens))) != _weight(text):
        return as_written(text)
    for token in tokens:
        if token.type.startswith("heading"):
            # The headings of a page are its own.
            token.tag = "p"
            token.attrs = {"class": "heading"} if token.nesting == 1 else {}
        elif "style" in token.attrs:
            # A cell's alignment, such as `text-align:right`: the page allows no style but its own.
            token.attrs = {"class": str(token.attrs["style"]).partition(":")[2]}
    html: str = _markdown.renderer.render(tokens, _markdown.options, {})
    return mark_safe(html)  # noqa: S308 (all that comes from the text is escaped)


def as_written(text: str) -> SafeString:
    """The text letter by letter."""
    return format_html('<p class="plain">{}</p>', text)


def _weight(text: str) -> int:
    return len(_MARKUP.sub("", text))


def _cells(text: str) -> int:
    lines = text.splitlines()
    return len(lines) * max((line.count("|") + 1 for line in lines), default=0)
