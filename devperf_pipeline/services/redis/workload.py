"""
What is asked of one Redis node, and what is the right answer?

SET, GET and INCR go round 10,000 keys with values of 100 bytes. SADD, ZADD and HSET meet members that are there
already and answer 0: the same work at every call, however long a round is. LPUSH pushes 16 bytes, since its lists
grow all through a round and the server's memory has a limit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from socket import socket
from typing import Any

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.operation import FLOOR, OUR_NAME, Driver, Step, Wire
from devperf_pipeline.services.redis import protocol
from devperf_pipeline.services.redis.connection import EXCEPTIONS, failure

KEYSPACE = 10_000
"""How many different keys SET, GET and INCR go round."""

VALUE_BYTES = 100
COLLECTIONS = 100
ELEMENT = b"0123456789abcdef"
MOST_DELETED = 200_000
"""How many keys all users' DEL together may consume in a round: they take 40 MB."""

Words = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Keys:
    """The names of our keys in one service."""

    service: str

    @property
    def prefix(self) -> bytes:
        return f"{OUR_NAME}:{self.service}:".encode()

    @property
    def marker(self) -> bytes:
        return self.prefix + b"marker"

    def name(self, family: str, number: int) -> bytes:
        """For example `devperf:redis:key:00042`."""
        return b"%b%b:%05d" % (self.prefix, family.encode(), number)

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Every key that GET finds, with its value."""
        return [(self.name("key", number), value(number)) for number in range(KEYSPACE)]


def value(number: int) -> bytes:
    """The value of the key of that number: 100 bytes that begin with the number."""
    return (b"%05d " % number) + b"v" * (VALUE_BYTES - 6)


def is_value(candidate: Any) -> bool:
    """Whether these are, byte for byte, the value of one of our keys."""
    if not isinstance(candidate, bytes) or not candidate[:5].isdigit():
        return False
    return candidate == value(int(candidate[:5])) and int(candidate[:5]) < KEYSPACE


def spread(user: int, call: int, over: int = KEYSPACE) -> int:
    """Which key a call of a user takes: each comes once before any comes again, and users do not walk in step."""
    # 7919 is prime and divides no power of ten.
    return (user * 997 + call * 7919) % over


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """
    One command, in both ways of asking.

    `words(user, call)` is what the wire carries, `ask` hands the same words to the driver as an application would.
    `begins` is how every right reply begins on the wire; `right` judges a whole answer, decoded by us or the driver.
    `seed` yields the commands that make what a round starts from (None: nothing is needed); for `finite` ones that
    depends on users and size. What `lasts` is left by the calls as they found it, or in a state that is as good, and
    is made once.
    """

    name: str
    title: str
    words: Callable[[int, int], Words]
    ask: Callable[[Any, Words], Any]
    begins: bytes
    right: Callable[[Any], bool]
    seed: Callable[[int, int], Iterator[Words]] | None = None
    finite: bool = False
    lasts: bool = False

    def wire(
        self,
        sockets: Sequence[socket],
        user: int,
        size: int,
        socket_of: Callable[[Words], int] = lambda _words: 0,
    ) -> Wire:
        """The calls of one user as bytes; `socket_of` says which of the sockets a call goes to."""
        begins, other = self.begins, protocol.outcome_of_other
        asked = [self.words(user, call) for call in range(size)]

        def check(replies: list[bytes]) -> int:
            reply = replies[0]
            return Outcome.OK if reply.startswith(begins) else other(reply)

        return Wire(
            sockets=sockets,
            calls=[(Step(protocol.encode(*words), protocol.complete, socket_of(words)),) for words in asked],
            check=check,
            verify=lambda replies: self.wrong(protocol.decode_or_raw(replies[0])),
        )

    def driver(self, client: Any, user: int, size: int) -> Driver:
        """The same calls through the driver."""
        ask, prepared, right = self.ask, [self.words(user, call) for call in range(size)], self.right
        return Driver(
            call=lambda call: ask(client, prepared[call % size]),
            check=lambda answer: Outcome.OK if right(answer) else Outcome.WRONG,
            verify=self.wrong,
            exceptions=EXCEPTIONS,
            failure=failure,
            size=size if self.finite else None,
        )

    def wrong(self, answer: Any) -> str | None:
        """None, or what is wrong with an answer."""
        return None if self.right(answer) else f"{self.title} answered {answer!r:.200}"


def is_ok(answer: Any) -> bool:
    """Whether it says OK; the driver makes True of that."""
    return answer is True or answer == b"OK"


def is_number(expected: int) -> Callable[[Any], bool]:
    """Whether an answer is this number: 0 where the member was there, 1 where one key was meant."""
    return lambda answer: type(answer) is int and answer == expected


def is_count(answer: Any) -> bool:
    """Whether it is a count that has begun."""
    return type(answer) is int and answer >= 1


def set_and_get(keys: Keys, *, suffix: str = "", name_suffix: str = "") -> tuple[Command, Command]:
    """SET and GET of the keys that are there."""

    def seed(_users: int, _size: int) -> Iterator[Words]:
        return ((b"SET", name, held) for name, held in keys.pairs())

    def set_words(user: int, call: int) -> Words:
        number = spread(user, call)
        return b"SET", keys.name("key", number), value(number)

    return (
        Command(
            name=f"set{name_suffix}",
            title=f"SET{suffix}",
            words=set_words,
            ask=lambda client, words: client.set(words[1], words[2]),
            begins=b"+OK\r\n",
            right=is_ok,
            seed=seed,
            lasts=True,
        ),
        Command(
            name=f"get{name_suffix}" if name_suffix else "get-hit",
            title=f"GET{suffix or ' (hit)'}",
            words=lambda user, call: (b"GET", keys.name("key", spread(user, call))),
            ask=lambda client, words: client.get(words[1]),
            begins=b"$%d\r\n" % VALUE_BYTES,
            right=is_value,
            seed=seed,
            lasts=True,
        ),
    )


PING = Command(
    name=FLOOR,
    title="PING",
    words=lambda _user, _call: (b"PING",),
    ask=lambda client, _words: client.ping(),
    begins=b"+PONG\r\n",
    right=lambda answer: answer is True or answer == b"PONG",
)


def single_node(keys: Keys) -> tuple[Command, ...]:
    """Every command measured on one node, the floor first."""
    set_, get_hit = set_and_get(keys)
    return (PING, set_, get_hit, *_one_key(keys), *_collections(keys))


def _one_key(keys: Keys) -> tuple[Command, ...]:
    def deletable(user: int, call: int) -> bytes:
        return keys.name(f"delete:{user}", call)

    return (
        Command(
            name="get-miss",
            title="GET (miss)",
            words=lambda user, call: (b"GET", keys.name("absent", spread(user, call))),
            ask=lambda client, words: client.get(words[1]),
            begins=b"$-1\r\n",
            right=lambda answer: answer is None,
        ),
        Command(
            name="del",
            title="DEL",
            words=lambda user, call: (b"DEL", deletable(user, call)),
            ask=lambda client, words: client.delete(words[1]),
            begins=b":1\r\n",
            right=is_number(1),
            seed=lambda users, size: (
                (b"SET", deletable(user, call), value(call % KEYSPACE))
                for user in range(users)
                for call in range(size)
            ),
            finite=True,
        ),
        Command(
            name="incr",
            title="INCR",
            words=lambda user, call: (b"INCR", keys.name("counter", spread(user, call))),
            ask=lambda client, words: client.incr(words[1]),
            begins=b":",
            right=is_count,
            seed=lambda _users, _size: ((b"SET", keys.name("counter", n), b"0") for n in range(KEYSPACE)),
            lasts=True,
        ),
    )


def _collections(keys: Keys) -> tuple[Command, ...]:
    def place(family: str, number: int) -> tuple[bytes, bytes]:
        """The collection of a member and the member."""
        return keys.name(family, number % COLLECTIONS), b"member:%03d" % (number // COLLECTIONS)

    def score(call: int) -> bytes:
        # Moves whenever a member's turn comes again: the same score would be no work at all.
        return b"%d" % ((call // COLLECTIONS * 37 + call) % 1_009)

    def emptied(family: str) -> Iterator[Words]:
        return ((b"DEL", keys.name(family, number)) for number in range(COLLECTIONS))

    def filled(family: str, words: Callable[[int], Words]) -> Iterator[Words]:
        yield from emptied(family)
        yield from (words(number) for number in range(KEYSPACE))

    def sadd(number: int) -> Words:
        return b"SADD", *place("set", number)

    def zadd(number: int, call: int) -> Words:
        key, member = place("zset", number)
        return b"ZADD", key, score(call), member

    def hset(number: int) -> Words:
        return b"HSET", *place("hash", number), value(number)

    return (
        Command(
            name="lpush",
            title="LPUSH",
            words=lambda user, call: (b"LPUSH", keys.name("list", spread(user, call, COLLECTIONS)), ELEMENT),
            ask=lambda client, words: client.lpush(words[1], words[2]),
            begins=b":",
            right=is_count,
            seed=lambda _users, _size: emptied("list"),
        ),
        Command(
            name="sadd",
            title="SADD",
            words=lambda user, call: sadd(spread(user, call)),
            ask=lambda client, words: client.sadd(words[1], words[2]),
            begins=b":0\r\n",
            right=is_number(0),
            seed=lambda _users, _size: filled("set", sadd),
            lasts=True,
        ),
        Command(
            name="zadd",
            title="ZADD",
            # One member of each set, so that its turn comes again with another score within the prepared calls.
            words=lambda user, call: zadd(spread(user, call, COLLECTIONS), call),
            ask=lambda client, words: client.zadd(words[1], {words[3]: words[2]}),
            begins=b":0\r\n",
            right=is_number(0),
            seed=lambda _users, _size: filled("zset", lambda number: zadd(number, number)),
            lasts=True,
        ),
        Command(
            name="hset",
            title="HSET",
            words=lambda user, call: hset(spread(user, call)),
            ask=lambda client, words: client.hset(words[1], words[2], words[3]),
            begins=b":0\r\n",
            right=is_number(0),
            seed=lambda _users, _size: filled("hash", hset),
            lasts=True,
        ),
    )
