from devperf_pipeline.measure.steady_state import Steadiness


def blocks_needed(medians: list[int]) -> int | None:
    steadiness = Steadiness()
    for number, value in enumerate(medians, start=1):
        if steadiness.add([value] * 5):
            return number
    return None


class TestSteadiness:
    def test_three_equal_blocks_are_enough(self) -> None:
        """A service that is steady from the start is warm after three blocks."""
        assert 3 == blocks_needed([100, 100, 100])

    def test_falling_latencies_are_not_steady(self) -> None:
        """While calls still get faster by more than noise the warm-up goes on."""
        assert blocks_needed([1000, 700, 500, 400, 390, 380, 370]) is None

    def test_ends_when_the_fall_has_ended(self) -> None:
        """The first three blocks that agree end it."""
        assert 6 == blocks_needed([1000, 700, 500, 400, 405, 398, 402])

    def test_spread_of_more_than_five_percent_is_not_steady(self) -> None:
        """Blocks that differ by more than 5 % do not agree."""
        assert blocks_needed([100, 110, 100, 110, 100]) is None

    def test_empty_block_says_nothing(self) -> None:
        """A block without calls neither ends a warm-up nor breaks it."""
        steadiness = Steadiness()

        assert not steadiness.add([])
