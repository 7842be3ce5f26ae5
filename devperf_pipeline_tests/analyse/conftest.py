"""What do the tests of the analysis share: the warehouse whose rows they choose, as the tests of reports have it."""

from devperf_pipeline_tests.report.conftest import Warehouse, warehouse

__all__ = ["Warehouse", "warehouse"]
