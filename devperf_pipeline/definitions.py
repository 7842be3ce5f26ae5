"""
What does Dagster load? Start here: every asset, check, job, schedule, sensor and resource is named below.

infrastructure -> samples/<service> -> baseline -> baselines, rounds, percentiles -> reports/baseline

`defs/` says what each does when it is materialised; docs/architecture.md follows one sample through the house.
"""

import dagster as dg

from devperf_pipeline.defs.automation import baseline_job, infrastructure_changed, weekly
from devperf_pipeline.defs.measuring import measuring
from devperf_pipeline.defs.project import Project
from devperf_pipeline.defs.reports import baseline_report
from devperf_pipeline.defs.secret_check import no_secret_leaked
from devperf_pipeline.defs.tables import tables

defs = dg.Definitions(
    assets=[
        measuring,  # infrastructure, samples/<service>, baseline; and the checks of the samples
        tables,  # baselines, rounds, percentiles
        baseline_report,  # reports/baseline
    ],
    asset_checks=[no_secret_leaked],  # of the baseline, when its report is there
    jobs=[baseline_job],
    schedules=[weekly],
    sensors=[infrastructure_changed],
    resources={"project": Project()},
    executor=dg.in_process_executor,  # one step at a time, in the process that holds the clock
)
