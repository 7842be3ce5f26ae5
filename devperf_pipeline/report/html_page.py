"""
How does a report in Markdown become one HTML file that needs nothing else?

HTML in the Markdown is shown as text; pictures of our own are put inline, all others stay words.
"""

import html
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from markdown_it.token import Token

_PROLOGUE = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_WIDE = '<div class="wide" tabindex="0">'
"""What is wider than the page scrolls by itself, by the keyboard too."""

_TABLE = re.compile(r"<table>.*?</table>", re.DOTALL)

_LONG = 60
"""A table of more lines is looked up, not read: it is folded away until somebody asks for it."""

_SENTENCE = 90
"""A cell of more characters is read as a sentence."""

_NAMED = re.compile(r'(\bid="|href="#|url\(#)')


def page(markdown: str, pictures: Mapping[str, str]) -> str:
    """The whole file. `pictures` are SVG drawings by the address that the Markdown gives them."""
    markup = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = markup.parse(markdown)
    contents = _name_headings(tokens)
    _mark_long_cells(tokens)
    numbered = {address: (f"p{number}-", svg) for number, (address, svg) in enumerate(pictures.items())}

    def image(tokens: "Sequence[Token]", place: int, _options: Any, _env: Any) -> str:
        token = tokens[place]
        about = html.escape(token.content, quote=True)
        source = token.attrs.get("src", "")
        if source not in numbered:
            return about
        return f"{_WIDE}{_inline(*numbered[str(source)], about)}</div>"

    markup.renderer.rules["image"] = image  # type: ignore[attr-defined, assignment]
    body = markup.renderer.render(tokens, markup.options, {})
    # A picture is a block of its own: HTML allows none in a paragraph.
    body = body.replace(f"<p>{_WIDE}", _WIDE).replace("</svg></div></p>", "</svg></div>")
    body = _TABLE.sub(lambda match: _boxed(match[0]), body)
    links = "\n".join(f'<li><a href="#{name}">{html.escape(text)}</a></li>' for name, text in contents)
    title = html.escape(next((token.content for token in tokens if token.type == "inline"), "Baseline"))
    style = (files("devperf_pipeline.report") / "templates" / "page.css").read_text("utf-8")
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        # An empty icon of its own: a browser would ask the server for one.
        '<link rel="icon" href="data:,">\n'
        f"<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<nav class="beside" aria-label="Contents"><ul>\n{links}\n</ul></nav>\n'
        # Where the page is narrow the same list is folded away above it.
        f'<details class="above"><summary>Contents</summary><nav aria-label="Contents"><ul>\n{links}\n</ul></nav></details>\n'
        f"<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _name_headings(tokens: "Sequence[Token]") -> list[tuple[str, str]]:
    """Give each heading a name that a link can point at; the parts of the report, with their names."""
    contents: list[tuple[str, str]] = []
    number = 0
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            number += 1
            name = f"part-{number}"
            token.attrSet("id", name)
            if token.tag == "h2":
                contents.append((name, _words(tokens[place + 1])))
    return contents


def _mark_long_cells(tokens: "Sequence[Token]") -> None:
    """Cells that hold sentences get room for them: a column as wide as a number would be many lines high."""
    for token, inside in pairwise(tokens):
        if token.type == "td_open" and len(inside.content) > _SENTENCE:
            token.attrJoin("class", "long")


def _boxed(table: str) -> str:
    """A table that scrolls by itself where it is too wide, and unfolds where it is too long."""
    lines = table.count("<tr>") - 1
    box = f"{_WIDE}{table}</div>"
    return f"<details><summary>{lines} lines</summary>\n{box}</details>" if lines > _LONG else box


def _words(token: "Token") -> str:
    return "".join(child.content for child in token.children or ())


def _inline(prefix: str, svg: str, about: str) -> str:
    """A drawing inside the page; what is named in it is renamed, for names are one for the whole page."""
    drawing = _NAMED.sub(lambda match: match[0] + prefix, _PROLOGUE.sub("", svg, count=1))
    drawing = re.sub(r"<metadata>.*?</metadata>\s*", "", drawing, count=1, flags=re.DOTALL)
    return drawing.replace("<svg ", f'<svg role="img" aria-label="{about}" ', 1)
