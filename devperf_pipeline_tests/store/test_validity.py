from typing import Any

import pytest

from devperf_pipeline.model import Outcome
from devperf_pipeline.store.validity import Evidence, why_invalid


def evidence(**values: Any) -> Evidence:
    """1,000 good calls of one user, 17 µs each and 3 µs apart, in five rounds."""
    found: dict[str, Any] = {
        "users": 1,
        "n": 1000,
        "elapsed_ns": 20_000_000,
        "latency_sum_ns": 17_000_000,
        "outcomes": {Outcome.OK: 1000},
        "problems": [],
        "placements": ["together:1"],
        "rounds": 5,
    }
    return Evidence(**{**found, **values})


class TestWhyInvalid:
    def test_a_good_row_is_valid(self) -> None:
        """Nothing wrong must give no reason."""
        assert why_invalid(evidence()) is None

    @pytest.mark.parametrize(
        ("values", "expected"),
        [
            ({"n": 0, "outcomes": {}}, "no samples"),
            ({"n": 0, "problems": ["refused"]}, "no call was made: refused"),
            (
                {"outcomes": {Outcome.LIMITED: 12, Outcome.ERROR: 900}},
                "12 of 1,000 calls were answered by a rate limit (429, or 503 with Retry-After)",
            ),
            (
                {
                    "outcomes": {Outcome.LIMITED: 900},
                    "problems": [
                        "900 of 1,000 calls were not answered right, such as: found 429: 100 a minute"
                    ],
                },
                "900 of 1,000 calls were answered by a rate limit (429, or 503 with Retry-After), such as: found 429: 100 a minute",
            ),
            ({"outcomes": {Outcome.REDIRECTED: 1}}, "1 of 1,000 calls were redirected elsewhere"),
            (
                {"outcomes": {Outcome.WRONG: 3}},
                "3 of 1,000 calls were answered with something else than what was asked for",
            ),
            (
                {"outcomes": {Outcome.DEGRADED: 3}},
                "3 of 1,000 calls were answered with success by a service that says it is not well",
            ),
            (
                {"outcomes": {Outcome.ERROR: 8, Outcome.LOST: 3}, "problems": ["lost"]},
                "11 of 1,000 calls failed: 8 answered with an error, 3 with the connection lost",
            ),
            (
                {
                    "outcomes": {Outcome.ERROR: 20},
                    "problems": [
                        "20 of 40 calls were not answered right, such as: found 503: permission denied"
                    ],
                },
                "20 of 1,000 calls failed: 20 answered with an error, such as: found 503: permission denied",
            ),
            ({"problems": ["lost after 12 calls"]}, "1 of 5 rounds had a problem: lost after 12 calls"),
            ({"n": 7}, "only 7 calls: too few to say anything"),
            ({"n": 1}, "only 1 call: too few to say anything"),
            (
                {"placements": ["apart:1|0", "together:1"]},
                "measured under 2 placements (apart:1|0, together:1), which cannot be pooled",
            ),
            (
                {"elapsed_ns": 68_000_000},
                "the client was the limit: its one user spent 75 % of the time not waiting for an answer",
            ),
            (
                {"users": 10, "elapsed_ns": 8_500_000},
                "the client was the limit: its 10 users spent 80 % of the time not waiting for an answer",
            ),
            (
                {"latency_sum_ns": 40_000_000},
                (
                    "the arithmetic does not hold: throughput times mean latency says that 2.0 users waited at once, "
                    "and there were 1"
                ),
            ),
        ],
    )
    def test_each_reason_has_its_numbers(self, values: dict[str, Any], expected: str) -> None:
        """What is wrong must be said in one sentence, the most telling thing first."""
        assert expected == why_invalid(evidence(**values))

    def test_one_percent_of_failures_is_tolerated(self) -> None:
        """Ten failed calls of 1,000 must not make a row invalid."""
        assert why_invalid(evidence(outcomes={Outcome.TIMEOUT: 10})) is None

    def test_a_few_microseconds_between_short_calls_are_no_limit(self) -> None:
        """20 µs of bookkeeping after each call of 17 µs must not make the row invalid: its latency is right."""
        assert why_invalid(evidence(elapsed_ns=37_000_000)) is None

    def test_rounds_of_few_calls_a_user_are_not_judged(self) -> None:
        """20 calls of 10 users in a round idle at both ends; that must not count as the client's limit."""
        assert why_invalid(evidence(users=10, n=20, rounds=1, elapsed_ns=8_000_000)) is None
