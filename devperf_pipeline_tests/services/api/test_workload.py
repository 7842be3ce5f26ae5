import re

import pytest

from devperf_pipeline.services.api.workload import name_of
from devperf_pipeline.services.reference_api.workload import Names, routes

LIKE_EACH_OTHER = (
    "/",
    "/root",
    "/orders",
    "/orders/",
    "//orders",
    "/Orders",
    "/orders/7",
    "/orders-7",
    "/orders?7",
    "/orders/cached",
    "/orders/new/connections",
    "/~",
    "/?",
    f"/{'a' * 199}",
    f"/{'a' * 198}b",
    "/../../etc/passwd",
    "/orders?a=1|2&b[]='x'\";",
)


class TestNames:
    @pytest.mark.parametrize(
        ("target", "name"),
        [
            ("/", "route-root"),
            ("/health", "route-health"),
            ("/orders/7", "route-orders-7"),
            ("/orders?limit=10", "route-orders-limit-10-f0256c05"),
        ],
    )
    def test_are_stable(self, target: str, name: str) -> None:
        """Every comparison of baselines joins on these names."""
        assert name == name_of(target)

    def test_are_safe(self) -> None:
        """Lower-case letters, digits and dashes alone, and not long, whatever a path has in it."""
        assert [] == [
            name for name in map(name_of, LIKE_EACH_OTHER) if not re.fullmatch(r"[a-z0-9-]{1,80}", name)
        ]

    def test_are_distinct(self) -> None:
        """No two paths share a name, nor does one have the name of another one's cached row or of its tool's."""
        names = [*map(name_of, LIKE_EACH_OTHER)]
        others = {f"{name}{ending}" for name in names for ending in ("-cached", "-new-connections")}

        assert len(LIKE_EACH_OTHER) == len(set(names))
        assert set() == others & set(names)

    def test_are_none_of_the_contracts(self) -> None:
        """What findings and tables say of the contract's routes is never said of a path that only looks alike."""
        contract = {route.name for route in routes(Names("api"))}
        targets = [route.target for route in routes(Names("api"))]

        assert set() == contract & set(map(name_of, targets))
