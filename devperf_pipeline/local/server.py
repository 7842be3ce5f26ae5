"""Which kinds of service can be started here, and what must be known of each?"""

import functools
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devperf_pipeline.local import servers as starters
from devperf_pipeline.local.build import Recipe
from devperf_pipeline.local.server_setup import Site
from devperf_pipeline.model import Service


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """
    How the server of one kind of service is had and started.

    `start` needs all of `programs`; `other_names` are programs that do as well as the first of them.
    `apt` and `brew` are the packages that bring them, `wheel` is where a wheel of the dependency group `servers` keeps
    them, seen from site-packages. `recipe` builds what no package has: ahead, or `built_by_start`, whose programs are
    then those of the recipe.
    """

    start: Callable[[Site], Service]
    programs: tuple[str, ...]
    other_names: tuple[str, ...] = ()
    apt: str = ""
    brew: str = ""
    wheel: str = ""
    recipe: Recipe | None = None
    built_by_start: bool = False


@functools.cache
def servers() -> Mapping[str, Server]:
    """Every kind that can be started here: what the modules of `servers/` say in `SERVERS`."""
    found: dict[str, Server] = {}
    for module in pkgutil.iter_modules(starters.__path__):
        found |= importlib.import_module(f"{starters.__name__}.{module.name}").SERVERS
    return found
