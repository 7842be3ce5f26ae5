from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devperf_pipeline.model import Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.vault.client import VaultApi
from devperf_pipeline.stack.credentials import with_credentials
from devperf_pipeline_tests.external_stack import vaulted
from devperf_pipeline_tests.services.calls import RIGHT, by_driver, by_engine
from devperf_pipeline_tests.services.unusual_passwords import WAYS, with_unusual_password

pytestmark = pytest.mark.servers


@pytest.fixture(name="external", params=WAYS)
def _external(request: pytest.FixtureRequest, running_stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """The stack of one service whose odd password the running Vault keeps."""
    kind: str = request.param
    for needed in ("vault", kind):
        if needed in running_stack.missing:
            pytest.skip(running_stack.missing[needed])
    vault = running_stack.service("vault")
    assert vault.credentials is not None
    with closing(VaultApi(vault)) as api, with_unusual_password(running_stack.service(kind)) as odd:
        who = odd.credentials
        assert who is not None
        api.do("POST", "/secret/data/odd", {"data": {"password": who.password}})
        yield with_credentials(vaulted(tmp_path, odd, api, username=who.username, path="odd"))
        api.do("DELETE", "/secret/metadata/odd")


class TestOddPasswords:
    def test_measure(self, external: Stack) -> None:
        """Every call of every operation is answered right, by engine and driver, and what was made is removed."""
        assert {} == external.missing
        [service] = external.services
        with closing(CATALOGUE[service.kind].open_session(service)) as session:
            session.prepare()
            try:
                for operation in session.operations():
                    with closing(session.connect()) as one, closing(session.connect()) as two:
                        if operation.wire:
                            assert {RIGHT} == set(by_engine(operation, [one, two]))
                        if operation.driver:
                            assert {RIGHT} == set(by_driver(operation, [one]))
            finally:
                session.clean()
