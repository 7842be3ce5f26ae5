from contextlib import ExitStack, closing
from dataclasses import replace

import pytest

from devperf_pipeline.model import Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.operation import FLOOR
from devperf_pipeline_tests.services.calls import RIGHT, by_engine
from devperf_pipeline_tests.services.sessions import prepared_session, running

KINDS = ("postgresql", "pgbouncer", "mysql", "mongodb", "redis", "redis_cluster", "rabbitmq", "vault", "gin")


@pytest.mark.servers
class TestSeveral:
    @pytest.mark.parametrize("kind", KINDS)
    def test_two_on_one_server_disturb_each_other_in_nothing(self, running_stack: Stack, kind: str) -> None:
        """Two services of a kind may be one server: what is ours has two names, and the one's clean-up leaves the other's."""
        one = running(running_stack, kind)
        open_session = CATALOGUE[kind].open_session
        with (
            prepared_session(open_session(replace(one, name=f"{kind}_second"))) as second,
            prepared_session(open_session(one)) as first,
            ExitStack() as connections,
        ):
            first.clean()
            found: set[object] = set()
            for operation in second.operations():
                if operation.name != FLOOR:
                    connection = connections.enter_context(closing(second.connect()))
                    found |= set(by_engine(operation, [connection], 2))

            assert set(first.objects()).isdisjoint(second.objects())
            assert {RIGHT} == found
