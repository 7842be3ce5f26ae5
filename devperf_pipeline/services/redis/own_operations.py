"""
How is Redis asked what a stack file describes, on one node or on the nodes of a cluster?

The server itself says what a command is: by its flags whether it only reads, and which of its words are keys.
What may write is not tried before it is measured; what reads is, and its first answers teach what is right.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from socket import socket
from typing import Any, cast

from redis import Redis
from redis.exceptions import ResponseError

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.model import Outcome, OwnOperation, Value
from devperf_pipeline.services.operation import Driver, FirstAnswer, Operation, Step, Wire
from devperf_pipeline.services.own_operations import choices, drawn, filled
from devperf_pipeline.services.redis import protocol
from devperf_pipeline.services.redis.connection import EXCEPTIONS, asked, failure, text

Words = Sequence[bytes]

LEARNING_ANSWERS = 25
LEARNING_S = 1.0
"""So many answers are looked at before anything is measured, or fewer, when these seconds are over."""

SHOWN_LINES = 10
LONGEST_LINE = 200

STATEFUL = {
    "asking", "auth", "client", "discard", "exec", "hello", "monitor", "multi", "psubscribe", "quit", "readonly",
    "readwrite", "reset", "select", "ssubscribe", "subscribe", "unwatch", "watch",
}  # fmt: skip
"""Commands after which a connection is not as it was: the next calls would be answered otherwise."""

NO_END = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Who is asked: the nodes, which of them serves a key, and one user's sockets, in the same order."""

    clients: Sequence[Redis]
    of: Callable[[bytes], int]
    sockets: Callable[[Any], Sequence[socket]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """
    One's own command, and what its first answers taught.

    `key` is which of its words says the node (None: any node will do). A right answer is no error and has from `least`
    to `most` elements: 0 is nothing, a number or a text is one. `took_s` is the quickest of the first ones.
    """

    own: OwnOperation
    nodes: Nodes
    key: int | None
    least: int
    most: int
    took_s: float = 0.0

    def node(self, words: Words) -> int:
        """Which node is asked."""
        return 0 if self.key is None else self.nodes.of(words[self.key])

    def operation(self) -> Operation:
        """The operation, by prepared bytes and by the driver."""
        return Operation(
            name=self.own.name,
            title=self.own.title,
            users=tuple(number for number in self.own.users if number != 1),
            wire=self._wire,
            driver=self._driver,
            took_s=self.took_s,
        )

    def _wire(self, connection: Any, user: int, size: int) -> Wire:
        calls = (
            Step(protocol.encode(*words), protocol.complete, self.node(words))
            for words in words_of(self.own, user, size)
        )
        return Wire(
            sockets=self.nodes.sockets(connection),
            calls=[(step,) for step in calls],
            check=lambda replies: self._check(replies[0]),
            verify=lambda replies: self.wrong(protocol.decode_or_raw(replies[0])),
        )

    def _check(self, reply: bytes) -> int:
        if reply.startswith(b"-"):
            return protocol.outcome_of_other(reply)
        empty = reply.startswith((b"$-1", b"*-1", b"*0\r"))
        return Outcome.WRONG if empty and self.least else Outcome.OK

    def _driver(self, connection: Any, user: int, size: int) -> Driver:
        client = connection.client
        # The driver of a cluster looks a command up by its name, which it takes as text only.
        calls = [(text(name), *rest) for name, *rest in words_of(self.own, user, size)]
        return Driver.judged(
            lambda number: asked(client, *calls[number % len(calls)]),
            self.wrong,
            exceptions=EXCEPTIONS,
            failure=failure,
        )

    def wrong(self, answer: Any) -> str | None:
        """What is wrong with an answer, or None."""
        if isinstance(answer, protocol.ErrorReply):
            return f"the server says: {text(answer)}"
        if not self.least <= size_of(answer) <= self.most:
            expected = f"{self.least} or more" if self.most == NO_END else f"{self.least} to {self.most}"
            return f"{size_of(answer)} elements instead of {expected}"
        contains = self.own.expected.contains
        if contains and not any(contains.encode() in piece for piece in pieces(answer)):
            return f"{contains!r} does not stand in the answer"
        return None


def learn(own: OwnOperation, nodes: Nodes) -> Learnt:
    """
    Ask what a command is, and try it where it only reads.

    Raises:
        WrongAnswer: the server refuses it, it may write and does not say so, or its answer is not as expected.

    """
    calls = words_of(own, 0, LEARNING_ANSWERS)
    key = _key(own, nodes, calls[0])
    least, most = own.expected.rows or (0 if own.writes else 1, NO_END)
    untried = Learnt(own=own, nodes=nodes, key=key, least=least, most=most)
    if own.writes:
        return untried
    answers: list[Any] = []
    took_ns: list[int] = []
    began = time.monotonic()
    for words in calls:
        began_ns = time.perf_counter_ns()
        answers.append(_answer(untried, words))
        took_ns.append(time.perf_counter_ns() - began_ns)
        if time.monotonic() - began > LEARNING_S:
            break
    if own.expected.rows is None:
        least = min(1, *map(size_of, answers), 1)
    learnt = Learnt(own=own, nodes=nodes, key=key, least=least, most=most, took_s=min(took_ns) / 1e9)
    for answer in answers:
        if problem := learnt.wrong(answer):
            raise WrongAnswer(f"expected an answer as 'expect' says, found {problem}")
    return learnt


def first_answer(own: OwnOperation, nodes: Nodes) -> FirstAnswer:
    """What a command is answered once, for people; raises as `learn`."""
    [words, *_] = words_of(own, 0, 1)
    one = Learnt(own=own, nodes=nodes, key=_key(own, nodes, words), least=0, most=NO_END)
    began_ns = time.perf_counter_ns()
    answer = _answer(one, words)
    took_ns = time.perf_counter_ns() - began_ns
    lines = [_shown(piece) for piece in pieces(answer)][:SHOWN_LINES]
    return FirstAnswer(lines=lines or ["(nil)"], rows=size_of(answer), took_ns=took_ns)


def words_of(own: OwnOperation, user: int, size: int) -> Sequence[Words]:
    """The words of a user's calls; without placeholders all calls are alike: one."""
    return [
        _words(own, dict(zip(own.values, row, strict=True))) for row in drawn(own, choices(own), user, size)
    ]


def _words(own: OwnOperation, values: Mapping[str, Value]) -> Words:
    found = (filled(word, values) for word in own.asked["command"])
    return [(str(word).lower() if isinstance(word, bool) else str(word)).encode() for word in found]


def _key(own: OwnOperation, nodes: Nodes, words: Words) -> int | None:
    """Which word says the node, after the server said that the command may be asked."""
    first = nodes.clients[0]
    name = text(words[0]).lower()
    names = [name, *([f"{name}|{text(words[1]).lower()}"] if len(words) > 1 else [])]
    try:
        told: list[list[Any]] = [each for each in asked(first, "COMMAND INFO", *names) if each]
    except ResponseError as error:
        raise WrongAnswer(f"the server does not say what the command is: {error}") from error
    if not told:
        raise WrongAnswer(f"the server does not know the command {text(words[0])!r}")
    flags = {text(flag) for flag in told[-1][2]}
    if name in STATEFUL or flags & {"admin", "blocking"}:
        raise WrongAnswer(
            f"expected a command that can be asked again and again, found {text(words[0])!r}, whose flags are "
            f"{', '.join(sorted(flags)) or 'none'}"
        )
    if not own.writes and "readonly" not in flags:
        raise WrongAnswer(
            f"expected a command that only reads, found {text(words[0])!r}, whose flags are "
            f"{', '.join(sorted(flags)) or 'none'}. Write writes = true where it is meant to change something."
        )
    try:
        [key, *_] = asked(first, "COMMAND GETKEYS", *words)
    except ResponseError as error:
        # What only reads is tried, and the server says of it itself what is wrong.
        if not own.writes or "no key arguments" in str(error):
            return None
        raise WrongAnswer(f"the server says: {error}") from error
    return words.index(key.encode() if isinstance(key, str) else key, 1)


def _answer(learnt: Learnt, words: Words) -> Any:
    try:
        return asked(learnt.nodes.clients[learnt.node(words)], *words)
    except ResponseError as error:
        raise WrongAnswer(f"the server says: {error}") from error


def size_of(answer: Any) -> int:
    """How many elements an answer has: 0 is nothing, a number or a text is one; of the driver's pairs each is two."""
    if answer is None:
        return 0
    if isinstance(answer, Mapping):
        return 2 * len(cast("Mapping[Any, Any]", answer))
    if isinstance(answer, list | set | tuple):
        return len(cast("Sequence[Any]", answer))
    return 1


def pieces(answer: Any) -> Iterator[bytes]:
    """All texts and numbers of an answer."""
    if isinstance(answer, Mapping):
        for pair in cast("Mapping[Any, Any]", answer).items():
            yield from pieces(pair)
    elif isinstance(answer, list | set | tuple):
        for each in cast("Sequence[Any]", answer):
            yield from pieces(each)
    elif isinstance(answer, bytes):
        yield answer
    elif answer is not None:
        yield str(answer).encode()


def _shown(piece: bytes) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in piece.decode(errors="replace"))
    return shown if len(shown) <= LONGEST_LINE else f"{shown[: LONGEST_LINE - 1]}…"
