"""
How does a baseline that is not being measured come among the others?

Made in a folder of its own, then renamed: it needs no lock, and one that is being measured meanwhile never meets it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store.samples import SampleStore
from devperf_pipeline.store.whole_files import not_written, sync_folder

PREFIX = ".importing-"

LEFT_S = 3_600
"""A folder older than this was left by a kill."""


@contextmanager
def beside(folders: Folders) -> Iterator[SampleStore]:
    """
    A store of its own; what it has finished when this ends well is then among the baselines of `folders`.

    Raises:
        StoreError: nothing can be written.

    """
    for left in folders.data.glob(f"{PREFIX}*"):
        if time.time() - left.stat().st_mtime > LEFT_S:
            shutil.rmtree(left, ignore_errors=True)
    try:
        place = Folders(Path(tempfile.mkdtemp(prefix=PREFIX, dir=folders.data)))
    except OSError as error:
        raise not_written(folders.data, 4096, error) from error
    try:
        yield SampleStore(place)
        for finished in sorted(place.samples.glob("baseline_id=*")):
            os.replace(finished, folders.samples / finished.name)  # noqa: PTH105 - whole or absent
        sync_folder(folders.samples)
    except OSError as error:
        raise not_written(folders.samples, 4096, error) from error
    finally:
        shutil.rmtree(place.root, ignore_errors=True)
