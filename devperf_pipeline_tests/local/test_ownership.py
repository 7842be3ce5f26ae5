from pathlib import Path

from devperf_pipeline.local.lifecycle import with_needs
from devperf_pipeline.model import Service, Stack

STACK = Stack(
    name="test",
    path=Path("test.toml"),
    managed=True,
    services=(
        Service(name="postgresql", kind="postgresql"),
        Service(name="pgbouncer", kind="pgbouncer", needs=("postgresql",)),
        Service(name="redis", kind="redis"),
        Service(name="fastapi", kind="fastapi", needs=("pgbouncer",)),
    ),
)


class TestWithNeeds:
    def test_needs_of_needs_are_kept(self) -> None:
        """An API that needs a pooler needs the database behind it too; the order of the file stays."""
        assert ["postgresql", "pgbouncer", "fastapi"] == [
            s.name for s in with_needs(STACK, ["fastapi"]).services
        ]

    def test_others_are_left_out(self) -> None:
        """Redis alone starts Redis alone."""
        assert ["redis"] == [service.name for service in with_needs(STACK, ["redis"]).services]
