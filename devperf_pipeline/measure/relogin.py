"""
What is done when a service refuses us in the middle of a run?

Its credentials are read again, and once they are others it is entered with those.
"""

from dataclasses import replace

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.model import Outcome, Round, Service
from devperf_pipeline.services.operation import Session

READ_EVERY_S = 1.0
"""Credentials of a service that refuses are read at most this often: each time is a login."""


def refused(measured: Round) -> bool:
    """Whether a service may have refused us: nothing was measured, or it answered with errors of its own."""
    return bool(measured.problem) and (not measured.latency_ns or Outcome.ERROR in measured.outcome)


class Relogin:
    """Enters services that refuse, and knows with which credentials each was entered last."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._entered: dict[str, Service] = {service.name: service for service in context.stack.services}
        self._read_at_s: dict[str, float] = {}

    def entered(self, service: str, session: Session) -> bool:
        """
        Whether a service that refuses has other credentials now, and lets us in with them.

        What cannot be read costs this service and no other; the reason is kept with the baseline.
        """
        now, last, context = self._context.clock(), self._entered[service], self._context
        if now - self._read_at_s.get(service, now - READ_EVERY_S) < READ_EVERY_S:
            return False
        self._read_at_s[service] = now
        try:
            found = context.reread(service)
            if found is None or (found.credentials, found.headers) == (last.credentials, last.headers):
                return False
            found = replace(last, credentials=found.credentials, headers=found.headers)
            session.renew(found)
        except (ServiceError, OSError, *session.exceptions) as error:
            context.state.reasons[service] = (
                f"refused, and not entered with credentials that were read again: {error}"
            )
            return False
        self._entered[service] = found
        context.say(f"{service} refused, and was entered with credentials that were read again.")
        return True
