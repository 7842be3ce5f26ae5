from typing import Any

import pytest

from devperf_pipeline.services.mongodb.preflight import of_server

WELL: dict[str, Any] = {"isWritablePrimary": True, "readOnly": False}


class TestOfServer:
    @pytest.mark.parametrize(
        ("hello", "available", "roles", "said"),
        [
            (WELL, 800, [("dbOwner", "devperf")], []),
            (WELL, 0, [], []),
            (WELL, 800, [("readWrite", "devperf"), ("dbAdmin", "devperf")], []),
            (WELL, 3, [("root", "admin")], ["few connections are left: 3, and we take up to 20"]),
            (
                {"isWritablePrimary": False},
                800,
                [("root", "admin")],
                ["it takes no writes: it is no primary, or read-only"],
            ),
            (
                WELL,
                800,
                [("dbOwner", "shop")],
                [
                    "a missing privilege, perhaps: expected the role dbOwner on devperf, found dbOwner on shop",
                ],
            ),
        ],
    )
    def test_each_warning_is_one_sentence(
        self, hello: dict[str, Any], available: int, roles: list[tuple[str, str]], said: list[str]
    ) -> None:
        """What is well says nothing; what is not is told with what was found."""
        told = [{"role": role, "db": database} for role, database in roles]

        assert said == list(of_server(hello, {"available": available}, told, "devperf"))
