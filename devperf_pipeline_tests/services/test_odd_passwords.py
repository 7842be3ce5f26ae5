from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from devperf_pipeline.model import Stack
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.vault_api import VaultApi
from devperf_pipeline.stack.config import load_stack
from devperf_pipeline.stack.credentials import with_credentials
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline_tests.services.calls import RIGHT, by_driver, by_engine
from devperf_pipeline_tests.services.odd_users import WAYS, entered_oddly

pytestmark = pytest.mark.servers

TEXT = """
name = "visited"
managed = false

[vault]
address = "{vault}"
token_file = "{token}"

[services.{kind}]
kind = "{kind}"
addresses = [{addresses}]
username = "{username}"
password = {{ vault = "secret/data/odd", field = "password" }}
{database}
"""


@pytest.fixture(name="visited", params=WAYS)
def _visited(request: pytest.FixtureRequest, running_stack: Stack, tmp_path: Path) -> Iterator[Stack]:
    """
    The stack of one service whose odd password the running Vault keeps.
    """
    kind: str = request.param
    for needed in ("vault", kind):
        if needed in running_stack.missing:
            pytest.skip(running_stack.missing[needed])
    vault = running_stack.service("vault")
    assert vault.credentials is not None
    with closing(VaultApi(vault)) as api, entered_oddly(running_stack.service(kind)) as odd:
        who = odd.credentials
        assert who is not None
        api.do("POST", "/secret/data/odd", {"data": {"password": who.password}})
        token = tmp_path / "token"
        token.write_text(vault.credentials.password)
        token.chmod(0o600)
        file = tmp_path / "visited.toml"
        text = TEXT.format(
            vault=vault.address,
            token=token,
            kind=kind,
            addresses=", ".join(f'"{address}"' for address in odd.addresses),
            username=who.username,
            database=f'database = "{odd.database}"' if odd.database else "",
        )
        file.write_text(text, encoding="utf-8")
        yield with_credentials(load_stack(str(file), Folders(tmp_path), CATALOGUE))
        api.do("DELETE", "/secret/metadata/odd")


class TestOddPasswords:
    def test_measure(self, visited: Stack) -> None:
        """
        Every call of every operation is answered right, by engine and driver, and what was made is removed.
        """
        assert {} == visited.missing
        [service] = visited.services
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
