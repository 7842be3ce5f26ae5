from pathlib import Path

import pytest

from devperf_pipeline.errors import StoreError
from devperf_pipeline.report.coverage import coverage
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse


class TestCoverage:
    def test_counts_every_table(self, tmp_path: Path) -> None:
        """All 27 tables have a line, the sum has another, every gap stands under its reason, the lint is at the end."""
        warehouse.build(Folders(tmp_path))
        text = coverage(Folders(tmp_path))
        counted = [line.split()[-3:] for line in text.splitlines()[4:32]]

        assert 28 == len(counted)
        assert [sum(int(numbers[place]) for numbers in counted[:-1]) for place in range(3)] == [
            int(number) for number in counted[-1]
        ]
        assert 459 == int(counted[-1][1]) + int(counted[-1][2])
        assert "nothing is measured yet; measure the stack: devperf baseline" in text
        assert text.splitlines()[-1].startswith(
            "Lint: 15 contradictions in what is published, 0 in our own tables."
        )

    def test_names_what_is_not_there(self, tmp_path: Path) -> None:
        """A baseline that does not exist is said to be none."""
        warehouse.build(Folders(tmp_path))
        with pytest.raises(StoreError, match="No baseline is called 'nonsense'"):
            coverage(Folders(tmp_path), "nonsense")
