import pytest

from devperf_pipeline.services import kind_of, place_of, role_of


class TestNames:
    @pytest.mark.parametrize(
        ("service", "title", "role"),
        [
            ("redis", "Redis, one node", "cache"),
            ("api", "Your API", "api"),
            ("api_orders_v2", "API orders_v2", "api"),
            ("prometheus", None, ""),
            ("apidog", None, ""),
            ("api_", None, ""),
        ],
    )
    def test_say_the_kind(self, service: str, title: str | None, role: str) -> None:
        """A service is known by its name, an API of a stack file by how its name begins; nothing else is."""
        kind = kind_of(service)

        assert (title, role) == (kind and kind.title, role_of(service))

    def test_order(self) -> None:
        """Services stand as in the catalogue, APIs of the same stack file by name, what nobody knows last."""
        names = ["prometheus", "api_next", "api", "actix", "postgresql"]

        assert ["postgresql", "actix", "api", "api_next", "prometheus"] == sorted(names, key=place_of)
