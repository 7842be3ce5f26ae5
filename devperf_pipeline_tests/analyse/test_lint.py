from pathlib import Path

from devperf_pipeline.analyse.judgements import contradictions
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.questions import publications


class TestContradictions:
    def test_are_listed_in_the_notes_of_the_import(self, tmp_path: Path) -> None:
        """The page beside a publication lists every contradiction in it, and none that is not there."""
        warehouse.build(Folders(tmp_path))
        with warehouse.connect(Folders(tmp_path)) as con:
            found = contradictions(con)
        page = (publications() / "2025-10-29" / "README.md").read_text(encoding="utf-8")
        notes = {line.removeprefix("- ") for line in page.splitlines() if line.startswith("- ")}

        assert {f"{one.place}: {one.sentence}." for one in found} == notes
        assert {True} == {one.published for one in found}
