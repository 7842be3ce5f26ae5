"""
What is done when a service refuses us in the middle of a run?

Its credentials are read anew, and once they are others it is entered with those.
"""

import time
from dataclasses import replace

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.model import Outcome, Round

READ_EVERY_S = 1.0
"""Credentials of a service that refuses are read anew at most this often: each time is a login."""


def refused(measured: Round) -> bool:
    """Whether a service may have refused us: nothing was measured, or it answered with errors of its own."""
    return bool(measured.problem) and (not measured.latency_ns or Outcome.ERROR in measured.outcome)


def entered_anew(context: RunContext, service: str) -> bool:
    """
    Whether a service that refuses has other credentials now, and lets us in with them.

    What cannot be read anew costs this service and no other; the reason is kept with the baseline.
    """
    now = time.monotonic()
    if now - context.read_at_s.get(service, now - READ_EVERY_S) < READ_EVERY_S:
        return False
    context.read_at_s[service] = now
    session = context.sessions[service]
    try:
        found = context.reread(service)
        if found is None or found.credentials == context.services[service].credentials:
            return False
        found = replace(context.services[service], credentials=found.credentials)
        session.renew(found)
    except (ServiceError, OSError, *session.exceptions) as error:
        context.reasons[service] = f"refused, and not entered with credentials that were read anew: {error}"
        return False
    context.services[service] = found
    context.say(f"{service} refused, and was entered with credentials that were read anew.")
    return True
