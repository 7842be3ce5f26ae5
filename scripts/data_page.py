# ruff: noqa: INP001 - a script, not part of a package
"""Write docs/data.md, from the comments of an empty warehouse."""

from pathlib import Path
from tempfile import TemporaryDirectory

from devperf_pipeline.report.data_dictionary import dictionary
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse

if __name__ == "__main__":
    with TemporaryDirectory() as place:
        folders = Folders(Path(place))
        warehouse.build(folders)
        with warehouse.connect(folders) as con:
            page = dictionary(con)
    (Path(__file__).parents[1] / "docs" / "data.md").write_text(page, encoding="utf-8")
