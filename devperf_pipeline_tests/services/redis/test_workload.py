import pytest
from redis.crc import key_slot

from devperf_pipeline.services.redis.workload import KEYSPACE, Keys, is_value, spread, value


class TestValue:
    def test_has_a_hundred_bytes_and_is_known_again(self) -> None:
        """Values have 100 bytes and each is told from anything else, to the byte."""
        assert {100} == {len(value(number)) for number in range(0, KEYSPACE, 999)}
        assert is_value(value(9_999))

    @pytest.mark.parametrize(
        "other",
        [None, b"", "00001", value(1)[:-1], value(1) + b"v", value(1).replace(b"1", b"x"), value(KEYSPACE)],
    )
    def test_is_not_taken_for_another(self, other: object) -> None:
        """A missing, short, long or altered value is not ours."""
        assert not is_value(other)


class TestSpread:
    @pytest.mark.parametrize("over", [100, KEYSPACE])
    def test_visits_every_key_once(self, over: int) -> None:
        """No key comes twice before all came once."""
        assert set(range(over)) == {spread(3, call, over) for call in range(over)}


class TestSlots:
    @pytest.mark.parametrize(
        ("key", "slot"),
        [
            (b"123456789", 12739),
            (b"key", 12539),
            (b"test-key", 5139),
            (b"bar", 5061),
            (b"{user1000}.following", key_slot(b"user1000")),
            (b"foo{}{bar}", 8363),
            (b"foo{{bar}}zap", key_slot(b"{bar")),
        ],
    )
    def test_are_those_of_the_cluster_specification(self, key: bytes, slot: int) -> None:
        """CRC16 of the key, or of its first hash tag, modulo 16384."""
        assert slot == key_slot(key)

    def test_of_our_keys_cover_every_part(self) -> None:
        """Our keys lie on every third of the slots in about equal shares."""
        shares = [0, 0, 0]
        for name, _ in Keys("redis_cluster").pairs():
            shares[key_slot(name) * 3 // 16384] += 1
        assert min(shares) > KEYSPACE / 4
