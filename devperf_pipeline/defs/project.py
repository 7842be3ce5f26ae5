"""Where is the project, for everything that Dagster runs?"""

from pathlib import Path

import dagster as dg

from devperf_pipeline.stack.folders import Folders


class Project(dg.ConfigurableResource):
    """The project's folder. Empty: the one around this package."""

    root: str = ""

    @property
    def folders(self) -> Folders:
        return Folders(Path(self.root).resolve()) if self.root else Folders.find()
