"""
How does a template become Markdown that nothing in it can harm?

A value in a template is what somebody else may have chosen: it is written as a harmless cell, unless a filter has made
Markdown of it. So nothing is trusted because it was forgotten.
"""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from devperf_pipeline.report import format as show
from devperf_pipeline.report.rows import title_of
from devperf_pipeline.report.section import Chart


def write(template: str, **data: Any) -> str:
    """A template of `templates/` as Markdown; empty where it has nothing to say."""
    return environment().get_template(template).render(data).strip()


def sentence(name: str, *about: Any) -> str:
    """A sentence of `templates/sentences.md.jinja`, for where there is no template around it."""
    return one_line(getattr(environment().get_template("sentences.md.jinja").module, name)(*about))


def one_line(text: str) -> Markup:
    """Markdown that a template has in several lines, as one: a paragraph, or a row of a table."""
    return Markup(" ".join(text.split()))  # noqa: S704 - the text is what a template has made


@cache
def environment() -> Environment:
    """Templates with the filters of `format`: units are written there and nowhere else."""
    found = Environment(
        loader=PackageLoader("devperf_pipeline.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
        finalize=_harmless,
    )
    texts = {
        name: getattr(show, name)
        for name in (
            "cell",
            "change",
            "count",
            "duration",
            "in_unit",
            "moment",
            "per_cent",
            "percent",
            "prose",
            "signed_size",
            "size",
            "sql",
            "times",
            "users",
        )
    }
    texts["rate"] = show.throughput
    texts["distance"] = lambda ratio: show.change(ratio).removeprefix("+")
    found.globals["dash"] = Markup(show.DASH)  # noqa: S704 - our own sign
    found.filters.update({name: _ready(write) for name, write in texts.items()})
    found.filters.update(
        {
            "all": lambda words: Markup(show.enumeration([_harmless(word) for word in words])),  # noqa: S704
            "capital": lambda text: Markup(text[:1].upper() + text[1:]),  # noqa: S704
            "ended": lambda text: Markup(text if text.endswith((".", "!", "?")) else f"{text}."),  # noqa: S704
            "join": lambda words, by=", ": Markup(by.join(_harmless(word) for word in words)),  # noqa: S704
            "line": one_line,
            "picture": _picture,
            "ready": Markup,
            "service": lambda name: Markup(show.cell(title_of(name))),  # noqa: S704
        }
    )
    return found


@pass_context
def _picture(context: Context, chart: Chart) -> Markup:
    """The link of a chart; whoever writes the page finds the chart in `charts_shown`."""
    link = f"{context['folder']}/{chart.file}"
    context["charts_shown"][link] = chart
    return Markup(f"![{show.cell(chart.about)}]({link})")  # noqa: S704 - `cell` and `file` are harmless


def _ready(write: Any) -> Any:
    """A filter whose words are ready to be printed."""
    return lambda value, *settings: Markup(write(value, *settings))  # noqa: S704 - what `format` writes is harmless


def _harmless(value: object) -> Markup:
    """What a template prints: a dash for nothing, a number with its thousands apart, words without markup."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return Markup(show.DASH)  # noqa: S704 - our own sign
    if isinstance(value, int) and not isinstance(value, bool):
        return Markup(show.count(value))  # noqa: S704 - digits
    if isinstance(value, float):
        raise TypeError(f"A template prints the number {value}; a filter must say in which unit.")
    return Markup(show.cell(str(value)))  # noqa: S704 - `cell` has made it harmless
