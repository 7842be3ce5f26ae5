from devperf_pipeline.analyse.contract import Contract
from devperf_pipeline.analyse.parity import parity
from devperf_pipeline.model import RouteAnswer

ROUTE = "GET /health/all"
WELL = {"status": "string: healthy", "dependencies.vault.status": "string: healthy"}


def told(shape: dict[str, str], status: int = 200) -> list[RouteAnswer]:
    return [RouteAnswer(route=ROUTE, status=status, shape=shape)]


class TestParity:
    def test_all_the_same(self) -> None:
        """Whoever answers alike can be compared."""
        found = parity({"gin": told(WELL), "actix": told(WELL)}, None)[ROUTE]

        assert (("gin", "actix"), {}) == (found.same, found.others)

    def test_most_count(self) -> None:
        """Without a contract the answer that most gave counts, and the difference of another is named."""
        other = WELL | {"dependencies.vault.status": "string: absent"}
        found = parity({"gin": told(other), "actix": told(WELL), "express": told(WELL)}, None)[ROUTE]

        assert ("actix", "express") == found.same
        assert {
            "gin": "its answer differs from that of Actix Web, Express: dependencies.vault.status is absent, not healthy"
        } == found.others

    def test_a_success_counts_of_two(self) -> None:
        """Of two different answers the one that succeeded counts."""
        found = parity({"gin": told({}, 503), "actix": told(WELL)}, None)[ROUTE]

        assert ("actix",) == found.same
        assert {"gin": "its answer differs from that of Actix Web: status 503, not 200"} == found.others

    def test_contract_counts_more_than_most(self) -> None:
        """Two that break the contract in the same way do not make their answer the right one."""
        schema = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
        responses = {"200": {"content": {"application/json": {"schema": schema}}}}
        contract = Contract({"paths": {"/health/all": {"get": {"responses": responses}}}})
        broken = {"state": "string"}
        found = parity({"gin": told(broken), "actix": told(broken), "express": told(WELL)}, contract)[ROUTE]

        assert ("express",) == found.same
        assert {"its answer is not as the contract says: no field status"} == set(found.others.values())

    def test_contract_is_not_about_routes_of_unknown_apis_alone(self) -> None:
        """APIs of which only routes are known are held to the contract only where a reference API answered, too."""
        html = {"answer": "no JSON"}
        contract = Contract({"paths": {"/health/all": {"get": {"responses": {"200": {}}}}}})
        alone = parity({"api": told(html), "api_next": told(html)}, contract)[ROUTE]
        beside = parity({"api": told(html), "gin": told(WELL)}, contract)[ROUTE]

        assert (("api", "api_next"), {}) == (alone.same, alone.others)
        assert ("gin",) == beside.same

    def test_many_differences(self) -> None:
        """Three differences are named, the rest is counted."""
        more = {f"field-{number}": "string" for number in range(5)}
        found = parity({"gin": told(WELL), "actix": told(WELL), "express": told(WELL | more)}, None)[ROUTE]

        assert found.others["express"].endswith(
            "there is field-0, there is field-1, there is field-2 and 2 more"
        )
