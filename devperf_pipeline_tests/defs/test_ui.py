import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from devperf_pipeline.defs.ui import ours, serve, stop
from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.local.server_setup import free_port
from devperf_pipeline.stack.folders import Folders

pytestmark = pytest.mark.servers

ASKED = """
{
  repositoriesOrError {
    ... on RepositoryConnection {
      nodes { name location { name } assetNodes { assetKey { path } description } schedules { description } sensors { description } }
    }
  }
}
"""


SHOP = """
name = "shop"
managed = false
[services.api_next]
kind = "api"
address = "127.0.0.1:8002"
routes = ["/orders/7"]
"""


@pytest.fixture(name="ui", scope="module")
def _ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Folders, int]]:
    """The UI of a project of its own, and its port; stopped as `make down` stops it."""
    folders = Folders(tmp_path_factory.mktemp("ui"))
    folders.stacks.mkdir()
    (folders.stacks / "shop.toml").write_text(SHOP, encoding="utf-8")
    (folders.stacks / "odd.toml").write_text("name = ", encoding="utf-8")
    port = free_port()
    command = [str(Path(sys.executable).parent / "devperf"), "ui", "--port", str(port)]
    with subprocess.Popen(command, env={**os.environ, "DEVPERF_ROOT": str(folders.root)}) as process:
        try:
            _wait_until_it_serves(process, port)
            yield folders, port
        finally:
            stop(folders)
            process.wait(30)


def _wait_until_it_serves(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/server_info").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    pytest.fail(f"the UI does not serve at port {port}; exit status {process.poll()}")


class TestServe:
    def test_shows_our_graph(self, ui: tuple[Folders, int]) -> None:
        """
        The webserver has loaded the graph of each stack file, under the name that workspace.yaml has, tells of one that
        cannot be read why, and what runs by itself.
        """
        _, port = ui
        answer = httpx.post(f"http://127.0.0.1:{port}/graphql", json={"query": ASKED}, timeout=60).json()
        (found,) = answer["data"]["repositoriesOrError"]["nodes"]
        assert "devperf_pipeline" == found["location"]["name"]
        told = {"/".join(one["assetKey"]["path"]): one["description"] for one in found["assetNodes"]}
        assert {"shop/samples/api_next", "shop/report", "odd/infrastructure"} <= told.keys()
        assert "odd.toml cannot be read" in told["odd/infrastructure"]
        assert all(one["description"] for one in (*found["schedules"], *found["sensors"]))

    def test_loads_the_definitions_once(self, ui: tuple[Folders, int]) -> None:
        """Webserver and daemon share one code server: nothing is loaded again, for seconds, while something is measured."""
        folders, _ = ui
        told = [" ".join(process.cmdline()) for process in ours(folders)]
        assert 1 == sum("dagster api grpc" in line for line in told), told
        assert all(
            any(program in line for line in told) for program in ("dagster._daemon", "dagster_webserver")
        )

    def test_one_at_a_time(self, ui: tuple[Folders, int]) -> None:
        """A second UI of the project would take runs from the first: it is refused with which process to stop."""
        folders, _ = ui
        with pytest.raises(
            ConfigurationError, match="Expected no Dagster of this project to run, found process"
        ):
            serve(folders, free_port(), print)

    def test_leaves_nothing(self, tmp_path: Path, ui: tuple[Folders, int]) -> None:
        """After it was stopped no process of it runs, and none of another project's was touched."""
        folders, _ = ui
        before = ours(folders)
        assert 0 == stop(Folders(tmp_path))
        assert before == ours(folders)
        assert len(before) == stop(folders)
        _, alive = psutil.wait_procs(before, timeout=15)
        assert [] == alive
        assert [] == ours(folders)
