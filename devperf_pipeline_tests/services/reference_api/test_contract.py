from pathlib import Path
from typing import Any

import pytest

from devperf_pipeline.model import RouteAnswer
from devperf_pipeline.services.reference_api.contract import Contract, load
from devperf_pipeline.stack.folders import Folders

KEY = "GET /examples/cache/key"
WELL = {"key": "string", "value": "string"}


@pytest.fixture(name="contract")
def _contract() -> Contract:
    found = load(Folders.find().reference_apis / "openapi.yaml")
    assert found is not None
    return found


def answer(route: str, shape: dict[str, str], status: int = 200) -> RouteAnswer:
    return RouteAnswer(route=route, status=status, shape=shape)


class TestContract:
    @pytest.mark.parametrize(
        ("route", "shape", "status"),
        [
            (KEY, WELL, 200),
            (KEY, {"status": "string", "error": "string"}, 404),
            ("GET /health", {"status": "string: healthy"}, 200),
            ("GET /health/vault", {"status": "string: healthy", "latency_ms": "number"}, 200),
            ("GET /nobody/knows", {"answer": "no JSON"}, 200),
            ("POST /examples/cache/key", {"key": "string", "stored": "boolean", "ttl": "null"}, 200),
        ],
    )
    def test_right(self, contract: Contract, route: str, shape: dict[str, str], status: int) -> None:
        """What the contract describes is right, and so is what it says nothing of."""
        assert contract.wrong(answer(route, shape, status)) is None

    @pytest.mark.parametrize(
        ("route", "shape", "status", "expected"),
        [
            (KEY, {"answer": "no JSON"}, 200, "no JSON object"),
            (KEY, WELL, 301, "status 301, which is none of 200, 404, 422, 503"),
            (KEY, {"key": "string"}, 200, "no field value"),
            (
                KEY,
                {"key": "string", "val": "string"},
                200,
                "no field value but a field val, which the contract does not have",
            ),
            (KEY, WELL | {"more": "null"}, 200, "a field more, which the contract does not have"),
            (KEY, WELL | {"value": "number"}, 200, "value as number, where the contract has string"),
            (
                "POST /examples/cache/key",
                {"key": "string", "stored": "string", "ttl": "null"},
                200,
                "stored as string, where the contract has boolean",
            ),
            (
                "GET /examples/database/postgres/query",
                {"database": "string", "query": "string", "result": "object"},
                200,
                "no field result.database",
            ),
        ],
    )
    def test_wrong(
        self, contract: Contract, route: str, shape: dict[str, str], status: int, expected: str
    ) -> None:
        """Another status, a field too few or too many, or of another type is told by its name."""
        assert expected == contract.wrong(answer(route, shape, status))

    def test_no_contract(self, tmp_path: Path) -> None:
        """Where there is none, nothing is held against anybody."""
        found: Any = load(tmp_path / "openapi.yaml")

        assert found is None
