"""How do the pages of Dagster read what they show? Through a connection that they hold."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from devperf_pipeline.report.model import read as picture
from devperf_pipeline.store.warehouse import query

if TYPE_CHECKING:
    from devperf_pipeline.report.report_data import Part
    from devperf_pipeline.store.warehouse import Connection

__all__ = ["asked", "curves", "picture"]


def curves(con: "Connection", part: "Part") -> Mapping[tuple[str, str], Any]:
    """The percentile curves of a service."""
    return picture(con).curves(part)


def asked(con: "Connection", name: str, **parameters: object) -> list[dict[str, Any]]:
    """Rows of `sql/<name>.sql`."""
    return cast("list[dict[str, Any]]", query(con, name, **parameters))
