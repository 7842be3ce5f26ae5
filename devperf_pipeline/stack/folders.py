"""Where does everything live on disk?"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Folders:
    """Every path of the project, all absolute, none created here."""

    root: Path

    @classmethod
    def find(cls) -> "Folders":
        """The project around this package, or the folder that DEVPERF_ROOT names."""
        named = os.environ.get("DEVPERF_ROOT")
        return cls((Path(named) if named else Path(__file__).parents[2]).resolve())

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def incoming(self) -> Path:
        """Rounds of a baseline that is being measured, one Parquet file each."""
        return self.data / "incoming"

    @property
    def samples(self) -> Path:
        """Finished baselines: `baseline_id=<id>/samples.parquet` and what belongs to it."""
        return self.data / "samples"

    @property
    def warehouse(self) -> Path:
        return self.data / "devperf.duckdb"

    @property
    def cache(self) -> Path:
        """What was built once for all clones: servers that no package has, environments of the reference APIs."""
        named = Path(os.environ.get("XDG_CACHE_HOME") or "")
        return (named if named.is_absolute() else Path.home() / ".cache") / "devperf"

    @property
    def logs(self) -> Path:
        """What the servers that we started had to say."""
        return self.data / "logs"

    @property
    def reports(self) -> Path:
        return self.root / "reports"

    @property
    def stacks(self) -> Path:
        return self.root / "stacks"

    @property
    def repository(self) -> Path:
        """Where this package lies, with all that servers are built from."""
        return Path(__file__).parents[2].resolve()

    @property
    def reference_apis(self) -> Path:
        return self.repository / "reference_apis"

    @property
    def dagster_home(self) -> Path:
        return self.root / ".dagster"

    @property
    def servers(self) -> Path:
        """
        Private data of the servers that we start.

        Outside the project: servers refuse root and must be able to read their folders, and a socket's path must
        stay below 100 bytes. Not in /tmp, which is memory on some systems: fsync would cost nothing there.
        """
        mark = hashlib.sha256(str(self.root).encode()).hexdigest()[:8]
        base = Path("/var/tmp")  # noqa: S108 - the folder made in it is ours, with mode 0711 and checked
        return (base if base.is_dir() else Path(tempfile.gettempdir())) / f"devperf-{os.getuid()}-{mark}"
