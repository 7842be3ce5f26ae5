"""
What does Dagster load? Start here: one graph a stack file, each with the services that the file names.

`defs/graph.py` puts a graph together, `defs/` says what each asset does when it is materialised; docs/architecture.md
follows one sample through the house.
"""

from devperf_pipeline.defs.graph import all_graphs
from devperf_pipeline.stack.folders import Folders

defs = all_graphs(Folders.find())
