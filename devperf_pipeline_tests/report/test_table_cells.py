from typing import TYPE_CHECKING

from devperf_pipeline.report.queries import picture
from devperf_pipeline.report.section import Table
from devperf_pipeline.report.table_cells import host
from devperf_pipeline.store.warehouse import connect

if TYPE_CHECKING:
    from devperf_pipeline_tests.report.conftest import Warehouse


class TestHost:
    def test_what_is_not_there_is_no_row(self, warehouse: "Warehouse") -> None:
        """The table holds what was found, what people ask first at its head; the rest is one sentence."""
        run = warehouse.baseline(25)
        facts = {
            "docker": "none",
            "filesystem": "ext4",
            "governor": "unknown",
            "memory_bytes": str(8 << 30),
            "vm_rosetta": "none",
        }
        for key, value in facts.items():
            warehouse.fact(run, "host", key, value)
        with connect(warehouse.folders) as con:
            table, rest = host(picture(con, run))

        assert isinstance(table, Table)
        assert [["memory", "8 GiB"], ["filesystem", "ext4"]] == [list(row) for row in table.rows]
        assert rest == "Not there: docker, vm rosetta. Could not be told: governor."
