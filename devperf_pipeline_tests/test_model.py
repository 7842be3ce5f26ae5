import pytest

from devperf_pipeline.model import Address


class TestAddress:
    @pytest.mark.parametrize(
        ("host", "expected"),
        [("127.0.0.1", "127.0.0.1:80"), ("localhost", "localhost:80"), ("::1", "[::1]:80")],
    )
    def test_is_written_as_in_a_url(self, host: str, expected: str) -> None:
        """The port can be told from the host, also where the host has colons of its own."""
        assert expected == str(Address(host, 80))
