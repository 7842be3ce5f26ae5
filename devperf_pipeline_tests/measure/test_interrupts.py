import os
import signal
import threading
from collections.abc import Iterator

import pytest

from devperf_pipeline.measure.interrupts import SIGNALS, interrupted_once


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
