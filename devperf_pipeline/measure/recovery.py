"""
What is done when the container of a service was paused, restarted, made again or killed in the middle of a run?

It is told, waited for, and entered again; what it had been asked meanwhile is measured again. One that is made of
something else now is not: figures of two images or limits do not make one row.
"""

from collections.abc import Mapping, Sequence

from devperf_pipeline.errors import ServiceError
from devperf_pipeline.measure.container_changes import Change
from devperf_pipeline.measure.run_context import RunContext
from devperf_pipeline.model import Round
from devperf_pipeline.services.operation import Session

BACK_S = 60.0
"""So long a service may be away; a cluster takes some 20 s to be one again, a new address 25 s to be found."""

ASK_EVERY_S = 1.0

STOOD_STILL_NS = 500_000_000
"""A call that takes longer may have met a pause. Where nothing happened it is what it is."""


def interrupted(measured: Round) -> bool:
    """Whether something may have happened to the service meanwhile."""
    return bool(measured.problem) or max(measured.latency_ns, default=0) > STOOD_STILL_NS


class Recovery:
    """Enters services again whose containers changed."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._changes = context.container_changes

    def entered(self, service: str, session: Session) -> bool:
        """
        Whether something had happened to the service, and it was entered again.

        One that does not come back, or is another one now, is not measured any more; the reason is kept.
        """
        changes = self._changes.since_last_look(service)
        return bool(changes) and self._back(service, changes, session)

    def look(self, sessions: Mapping[str, Session]) -> None:
        """Between two stages: tell what happened, and enter again what is measured further."""
        found: dict[str, list[Change]] = {}
        for change in self._changes.since_last_look():
            found.setdefault(change.service, []).append(change)
        for service, changes in found.items():
            if service in sessions and self._context.state.can_ask(service):
                self._back(service, changes, sessions[service])
            else:
                self._tell(changes)

    def _tell(self, changes: Sequence[Change]) -> str:
        sentence = " ".join(change.sentence for change in changes)
        self._context.say(sentence)
        return sentence

    def _back(self, service: str, changes: Sequence[Change], session: Session) -> bool:
        context = self._context
        told = self._tell(changes)
        context.collector.close()  # what it reads may be gone; it looks again
        if any(change.other for change in changes):
            context.state.failed(
                service, f"given up: {told} What was measured before is of the one before. Measure it again."
            )
            return False
        context.state.note(service, told)
        ends, why = context.clock() + BACK_S, None
        while context.clock() < ends:
            why = self._changes.why_not_ready(service) or self._enter(service, session)
            if why is None:
                context.measurer.disconnect(service)
                context.containers.look()
                if more := self._changes.since_last_look(service):
                    context.state.note(service, self._tell(more))
                context.say(f"{service} is back, and what it was asked meanwhile is measured again.")
                return True
            context.pause(ASK_EVERY_S)
        context.state.failed(service, f"given up: {told} It did not come back in {BACK_S:.0f} s: {why}.")
        return False

    def _enter(self, service: str, session: Session) -> str | None:
        """Enter it with the credentials of now, and make what it may have lost; why that did not succeed."""
        context = self._context
        try:
            session.renew(context.reread(service) or context.stack.service(service))
            session.prepare()
        except (ServiceError, OSError, *session.exceptions) as error:
            return str(error).rstrip(".")
        return None
