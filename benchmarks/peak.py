"""How much memory has this process had at most?"""

import re
import resource
import sys
from pathlib import Path


def peak_bytes() -> int:
    """
    Resident at most, in bytes.

    Linux counts what the parent had before this program was loaded into `ru_maxrss`; VmHWM is this program's alone.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text("utf-8")) if status.exists() else None
    if found:
        return int(found.group(1)) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
