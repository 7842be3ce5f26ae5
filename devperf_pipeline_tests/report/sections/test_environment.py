from typing import TYPE_CHECKING

from devperf_pipeline.report.contents import section
from devperf_pipeline.report.loaded import load
from devperf_pipeline_tests.report.conftest import tables

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
        with load(warehouse.folders, run) as report:
            text = section("environment", report)

        assert [["memory", "8 GiB"], ["filesystem", "ext4"]] == tables(text)[0]
        assert "Not there: docker, vm rosetta. Unknown: governor." in text.splitlines()
