from pathlib import Path

import pytest

from devperf_pipeline.errors import ConfigurationError
from devperf_pipeline.model import Companion
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack

VISITED = """name = "home"
managed = false

[services.redis]
kind = "redis"
address = "127.0.0.1:6379"

"""


def load(tmp_path: Path, footprint: str) -> tuple[Companion, ...]:
    path = tmp_path / "it.toml"
    path.write_text(VISITED + footprint)
    return load_stack(str(path), Folders(tmp_path), CATALOGUE).footprint


class TestFootprint:
    def test_processes_and_containers(self, tmp_path: Path) -> None:
        """Each is a process or a container with its category; a service's own has none."""
        found = load(
            tmp_path,
            '[footprint.prometheus]\nprocess = "prometheus"\ncategory = "observability"\n'
            '[footprint.forgejo]\ncontainer = "dev-forgejo"\ncategory = "git server"\n'
            '[footprint.redis]\ncontainer = "dev-redis-1"\n',
        )

        assert (
            Companion(name="prometheus", category="observability", process="prometheus"),
            Companion(name="forgejo", category="git server", container="dev-forgejo"),
            Companion(name="redis", category="other", container="dev-redis-1"),
        ) == found

    @pytest.mark.parametrize(
        ("footprint", "complaint"),
        [
            (
                '[footprint.a]\ncategory = "other"\n',
                "line 8: footprint.a: expected either process or container, found neither",
            ),
            (
                '[footprint.a]\nprocess = "a"\ncontainer = "a"\n',
                "footprint.a: expected either process or container, found both",
            ),
            ('[footprint.a]\nprocess = "a"\n', "expected the key 'category'"),
            (
                '[footprint.a]\nprocess = "a"\ncategory = "observabilty"\n',
                "line 10: footprint.a.category: expected one of databases, caching",
            ),
            ('[footprint.a]\nproces = "a"\n', "Did you mean 'process'?"),
            ('[footprint.host]\nprocess = "a"\n', "none of host, others"),
            ('[footprint.a]\nprocess = ""\ncategory = "other"\n', "expected the name of a process, found ''"),
            ("[footprint]\na = 1\n", "expected a table [footprint.a], found 1"),
        ],
    )
    def test_complaints(self, tmp_path: Path, footprint: str, complaint: str) -> None:
        """What is wrong is told with its place, what was expected and what was found."""
        with pytest.raises(ConfigurationError) as caught:
            load(tmp_path, footprint)

        assert complaint in str(caught.value)
