import re
from html.parser import HTMLParser

from devperf_pipeline.report.html_page import page

SVG = '<?xml version="1.0"?>\n<!DOCTYPE svg>\n<svg width="10" height="10"><defs><path id="m1"/></defs><use href="#m1" clip-path="url(#m1)"/></svg>'


class Reader(HTMLParser):
    """What a browser would see: every tag with its attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def read(text: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = Reader()
    reader.feed(text)
    return reader.tags


class TestPage:
    def test_asks_nobody_for_anything(self) -> None:
        """No script, and no address that a browser would follow by itself, whatever the Markdown holds."""
        hostile = "# a\n\n<script src='https://x'></script>\n\n![x](https://x/y.png) [y](https://x)\n\n<img src=x onerror=y>\n"
        tags = read(page(hostile, {}))

        assert not {"script", "img", "iframe", "object"} & {tag for tag, _ in tags}
        loaded = [attrs.get("src") or attrs.get("href") for tag, attrs in tags if tag != "a"]
        assert ["data:,"] == [address for address in loaded if address]

    def test_own_pictures_are_inline_and_their_names_are_their_own(self) -> None:
        """Two drawings that name the same thing do not meet, and each says what it shows."""
        text = page('# a\n\n![one & "two"](a.svg)\n\n![b](b.svg)\n', {"a.svg": SVG, "b.svg": SVG})
        drawings = [attrs for tag, attrs in read(text) if tag == "svg"]

        assert ['one & "two"', "b"] == [drawing["aria-label"] for drawing in drawings]
        assert {"p0-m1", "p1-m1"} == set(re.findall(r'<path id="([^"]+)"', text))
        assert {"#p0-m1", "#p1-m1"} == set(re.findall(r'<use href="([^"]+)"', text))
        assert "<?xml" not in text
        assert "<!DOCTYPE svg" not in text

    def test_a_picture_that_is_not_ours_stays_words(self) -> None:
        """What the Markdown names and nobody drew is shown as its description."""
        text = page("![of another](other.svg)", {"a.svg": SVG})

        assert "<p>of another</p>" in text

    def test_contents_lead_to_the_parts(self) -> None:
        """Each second-level heading is in the list of contents, beside and above the page, and each link has its target."""
        tags = read(page("# a\n\n## One <b>\n\n### not this\n\n## Two\n", {}))
        links = [attrs["href"] for tag, attrs in tags if tag == "a"]
        names = {attrs.get("id") for _, attrs in tags}

        assert links == ["#part-2", "#part-4"] * 2
        assert {str(link).removeprefix("#") for link in links} <= names

    def test_what_is_wider_than_the_page_scrolls_by_itself(self) -> None:
        """Each table and each picture stands in a box of its own that scrolls, and no box stands in a paragraph."""
        text = page("| a |\n| :-- |\n| 1 |\n\nwords ![of another](b.svg)\n\n![a](a.svg)\n", {"a.svg": SVG})

        assert 2 == text.count('<div class="wide" tabindex="0">')
        assert [] == re.findall(r"<p>(?:(?!</p>).)*<div", text, re.DOTALL)
        assert text.count("<p>") == text.count("</p>") == 1

    def test_a_long_table_is_folded(self) -> None:
        """What is looked up and not read does not push the rest away: one line says how many lines there are."""
        head = "| a |\n| :-- |\n"
        short, long = (page(head + "| 1 |\n" * lines, {}) for lines in (60, 61))

        assert '<details><summary>61 lines</summary>\n<div class="wide"' in long
        assert "<details><summary>" not in short

    def test_sentences_in_a_table_have_room(self) -> None:
        """A cell that holds a sentence is marked as one, a number is not."""
        text = page(f"| a | b |\n| :-- | --: |\n| {'why ' * 30} | 2 |\n", {})

        assert 1 == text.count('class="long"')
        assert re.search(r'<td[^>]*class="long"[^>]*>why', text)

    def test_tables_and_what_is_struck(self) -> None:
        """Tables and struck readings are rendered as such."""
        text = page("| a | b |\n| :-- | --: |\n| ~~1~~ | 2 |\n", {})

        assert "<s>1</s>" in text
        assert '<td style="text-align:right">2</td>' in text
