import os
import signal
import threading
from collections.abc import Iterator

import duckdb
import pytest

from devperf_pipeline.measure.interrupts import SIGNALS, TookTooLong, at_most, interrupted_once


@pytest.fixture(autouse=True)
def _heard() -> Iterator[None]:
    """Signals are heard, also where the tests run under nohup."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class TestInterruptedOnce:
    @pytest.mark.parametrize("number", SIGNALS)
    def test_first_signal_stops_and_the_next_waits(
        self, number: signal.Signals, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Tidying up after the first signal goes on to its end, whatever else comes; one line says that it goes on."""
        tidied: list[bool] = []

        def work() -> None:
            try:
                os.kill(os.getpid(), number)
            finally:
                os.kill(os.getpid(), number)
                tidied.append(True)

        with pytest.raises(KeyboardInterrupt), interrupted_once(KeyboardInterrupt):
            work()

        assert [True] == tidied
        assert "Stopping: tidying up first, a few seconds.\n" == capfd.readouterr().err

    def test_handlers_are_those_from_before_afterwards(self) -> None:
        """Nothing is changed for who comes after."""
        before = [signal.getsignal(number) for number in SIGNALS]
        with interrupted_once(KeyboardInterrupt):
            within = [signal.getsignal(number) for number in SIGNALS]

        assert before == [signal.getsignal(number) for number in SIGNALS]
        assert before != within

    def test_ignored_signals_stay_ignored(self) -> None:
        """Under nohup the end of the terminal ends nothing."""
        before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
        try:
            with interrupted_once(KeyboardInterrupt):
                assert signal.SIG_IGN is signal.getsignal(signal.SIGHUP)
        finally:
            signal.signal(signal.SIGHUP, before)

    def test_other_threads_change_nothing(self) -> None:
        """A thread cannot hear signals, and is not stopped by that."""
        before = signal.getsignal(signal.SIGINT)
        seen: list[object] = []

        def work() -> None:
            with interrupted_once(KeyboardInterrupt):
                seen.append(signal.getsignal(signal.SIGINT))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()

        assert [before] == seen


class TestAtMost:
    def test_what_takes_longer_is_cut_short(self) -> None:
        """It ends where it is, also in the middle of a statement of DuckDB, and nothing is cut short afterwards."""
        endless = "select max(hash(a.range, b.range)) from range(10000000) as a, range(1000000) as b"
        with duckdb.connect() as con, pytest.raises(TookTooLong), at_most(0.2):
            con.execute(endless)

        assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)

    def test_what_ends_in_time_is_left_alone(self) -> None:
        """Afterwards no clock runs on."""
        with at_most(30):
            pass

        assert (0.0, 0.0) == signal.getitimer(signal.ITIMER_REAL)
