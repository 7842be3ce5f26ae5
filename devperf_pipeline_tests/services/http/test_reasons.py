import json

import pytest

from devperf_pipeline.services.http.reasons import reason_of, unwell_in

REASONS = [
    ({"detail": "Cache get failed: MOVED 12539"}, "Cache get failed: MOVED 12539"),
    ({"error": "Cache unavailable", "message": "MOVED 12539"}, "Cache unavailable: MOVED 12539"),
    ({"error": {"code": 7, "message": "no such vhost"}}, "no such vhost"),
    ({"status": "unhealthy", "details": {"error": "vhost / not found"}}, "vhost / not found"),
    ({"detail": [{"loc": ["query", "ttl"], "msg": "Field required"}]}, "Field required"),
    ({"error": {"code": 7}}, '{"code": 7}'),
]


def said(body: object) -> str:
    return reason_of(json.dumps(body).encode())


class TestReasonOf:
    @pytest.mark.parametrize(("body", "expected"), REASONS)
    def test_where_apis_give_it(self, body: object, expected: str) -> None:
        """Each name and depth at which APIs say what was wrong is found."""
        assert f": {expected}" == said(body)

    def test_a_long_one_keeps_its_end(self) -> None:
        """What was tried stands first in a long message, and what came in its way last: both are kept."""
        text = f"cannot read secret: {'x' * 500} GET http://vault:8200/v1/secret/data/x * permission denied"
        found = said({"error": text})

        assert found.startswith(": cannot read secret")
        assert found.endswith("vault:8200/v1/secret/data/x * permission denied")

    @pytest.mark.parametrize("body", [{}, {"error": True}, {"result": 3}, ["error"], "error"])
    def test_none(self, body: object) -> None:
        """Where there is no reason, nothing is made up."""
        assert "" == said(body)

    def test_is_short_and_harmless(self) -> None:
        """A hostile reason is one line of bounded length without anything that a terminal would obey."""
        found = said({"error": "\x1b[31m\n\u202e| <b>" + "x" * 5_000, "details": {"error": "y" * 5_000}})

        assert len(found) <= 410
        assert found.isprintable()

    @pytest.mark.parametrize(
        "text",
        [
            "cannot connect to postgres://dev:hunter2@db:5432/x",
            "password=hunter2 rejected",
            "sent Authorization: Bearer hunter2",
            '{"token": "hunter2"}',
            "api_key: 'hunter2'",
        ],
    )
    def test_repeats_no_secret(self, text: str) -> None:
        """What an API leaks of a password in its own message does not get into ours."""
        found = said({"error": text})

        assert "hunter2" not in found
        assert "********" in found

    def test_deep_bodies(self) -> None:
        """A body nested deeper than any real one costs no more than a look at its outside."""
        deep: dict[str, object] = {"error": "bottom"}
        for _ in range(200):
            deep = {"details": deep}

        assert "" == said(deep)


class TestUnwellIn:
    def test_places_with_a_reason_come_first(self) -> None:
        """Of several places that are not well those are named that say why."""
        body = {
            "status": "degraded",
            "services": {
                "vault": {"status": "healthy"},
                "rabbitmq": {"status": "unhealthy", "error": "vhost not found"},
            },
        }
        assert "services.rabbitmq.status: unhealthy: vhost not found" == unwell_in(body)

    def test_well(self) -> None:
        """What is well, and what is sealed in another sense, is left alone."""
        assert (
            unwell_in({"status": "ok", "details": {"sealed": False}, "services": [{"status": "up"}]}) is None
        )
