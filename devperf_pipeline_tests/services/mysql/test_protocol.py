import pytest

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.database.seed import ROWS, item
from devperf_pipeline.services.database.workload import FULL_SCAN, SELECT_BY_KEY, UPDATE
from devperf_pipeline.services.mysql import protocol as wire
from devperf_pipeline.services.mysql.protocol import checker, verifier


def reply(*payloads: bytes) -> bytes:
    return b"".join(
        len(payload).to_bytes(3, "little") + bytes(((number + 1) % 256,)) + payload
        for number, payload in enumerate(payloads)
    )


def text(value: str) -> bytes:
    return bytes((len(value),)) + value.encode()


def column(name: str, kind: int, width: int) -> bytes:
    names = b"".join(text(part) for part in ("def", "devperf", "items", "items", name, name))
    return names + b"\x0c\x2d\x00" + width.to_bytes(4, "little") + bytes((kind, 3, 0, 0, 0, 0))


def row(values: tuple[int | str, ...]) -> bytes:
    return b"\x00\x00" + b"".join(
        value.to_bytes(4, "little") if isinstance(value, int) else text(value) for value in values
    )


EOF = b"\xfe\x00\x00\x02\x00"
COLUMNS = (b"\x03", column("id", 3, 11), column("name", 253, 160), column("value", 253, 800), EOF)
KILLED = b"\xff\x25\x05#70100Query execution was interrupted"

ONE_ROW = reply(*COLUMNS, row(item(254)), EOF)
NO_ROW = reply(*COLUMNS, EOF)
OK = reply(b"\x00\x01\x00\x02\x00\x00\x00")
PONG = reply(b"\x00\x00\x00\x02\x00\x00\x00")
ERROR = reply(b"\xff\x7a\x04#42S02Table 'devperf.items' doesn't exist")
BROKEN_OFF = reply(*COLUMNS, row(item(1)), row(item(255)), KILLED)
SCANNED = reply(*COLUMNS, *(row(item(key)) for key in range(1, ROWS + 1)), EOF)


class TestEncoding:
    def test_ping(self) -> None:
        """A PING is one byte in one packet."""
        assert wire.command(wire.PING) == b"\x01\x00\x00\x00\x0e"

    def test_execute(self) -> None:
        """The statement's number, no cursor, one iteration, no NULLs, the types, the values."""
        body = b"\x17\x05\x00\x00\x00\x00\x01\x00\x00\x00" + b"\x00" + b"\x01" + b"\x03\x00\xfd\x00"
        body += b"\x07\x00\x00\x00" + b"\x03\xc3\xa4b"

        assert len(body).to_bytes(3, "little") + b"\x00" + body == wire.execute(5, (7, "äb"))

    def test_execute_without_arguments(self) -> None:
        """Nothing follows the iteration count."""
        assert wire.execute(5, ()) == b"\x0a\x00\x00\x00\x17\x05\x00\x00\x00\x00\x01\x00\x00\x00"

    def test_a_text_that_is_too_long(self) -> None:
        """A text whose length takes more than a byte is refused rather than encoded wrongly."""
        with pytest.raises(ValueError, match="251 bytes"):
            wire.execute(5, ("x" * 251,))


class TestComplete:
    @pytest.mark.parametrize("whole", [ONE_ROW, NO_ROW, OK, PONG, ERROR, BROKEN_OFF])
    def test_only_the_whole_reply(self, whole: bytes) -> None:
        """Cut anywhere, a reply is not complete; whole, it is."""
        assert wire.complete(whole)
        assert [cut for cut in range(len(whole)) if wire.complete(whole[:cut])] == []

    def test_a_scan_cut_anywhere(self) -> None:
        """No row of the big reply looks like its end, whichever key it has and wherever it is cut."""
        assert wire.complete(SCANNED)
        tail = SCANNED[
            :60
        ]  # what `complete` looks at is the head, and as much of the end as an error is long
        ends = (
            cut for cut in range(60, len(SCANNED)) if wire.complete(tail + SCANNED[max(60, cut - 700) : cut])
        )
        assert list(ends) == []


class TestReading:
    def test_rows(self) -> None:
        """Rows come back as they were sent."""
        assert [item(254)] == wire.rows_of(ONE_ROW)
        assert wire.rows_of(NO_ROW) == []

    def test_error(self) -> None:
        """An error is told with its code and text, also when it breaks off the rows."""
        assert wire.error_of(ERROR) == "1146 Table 'devperf.items' doesn't exist"
        assert wire.error_of(BROKEN_OFF) == "1317 Query execution was interrupted"
        assert wire.error_of(ONE_ROW) is None

    def test_affected(self) -> None:
        """Only an OK says how many rows were changed."""
        assert [wire.affected(each) for each in (OK, PONG, ERROR, ONE_ROW)] == [1, 0, None, None]

    def test_prepared(self) -> None:
        """The reply to PREPARE is whole with all of its parameters and columns."""
        head = b"\x00\x09\x00\x00\x00\x03\x00\x01\x00\x00\x00\x00"
        whole = reply(head, column("?", 253, 0), EOF, *COLUMNS[1:])

        assert wire.prepared(whole) == (9, True)
        assert [cut for cut in range(len(whole)) if wire.prepared(whole[:cut])[1]] == []

    def test_prepare_refused(self) -> None:
        """An error in place of it is no number."""
        with pytest.raises(ValueError, match="not the reply of a PREPARE"):
            wire.prepared(ERROR)

    def test_junk(self) -> None:
        """What is not made of packets is refused, not guessed at."""
        with pytest.raises(ValueError, match="a packet of"):
            list(wire.packets(b"HTTP/1.1 400 Bad Request\r\n"))


class TestCheck:
    def test_right_error_and_wrong(self) -> None:
        """A row is right; an error is an error; no row, or an OK in its place, is wrong."""
        check = checker(SELECT_BY_KEY.statements)

        assert check([ONE_ROW]) == Outcome.OK
        assert check([ERROR]) == Outcome.ERROR
        assert check([BROKEN_OFF]) == Outcome.ERROR
        assert check([NO_ROW]) == Outcome.WRONG
        assert check([OK]) == Outcome.WRONG

    def test_a_row_that_was_not_there(self) -> None:
        """An update that changed nothing is wrong."""
        check = checker(UPDATE.statements)

        assert [check([each]) for each in (OK, PONG, ERROR)] == [Outcome.OK, Outcome.WRONG, Outcome.ERROR]

    def test_a_ping(self) -> None:
        """A PING is answered by an OK that changed nothing."""
        assert [checker([None])([each]) for each in (PONG, ERROR)] == [Outcome.OK, Outcome.ERROR]


class TestVerify:
    def test_every_value(self) -> None:
        """A right scan has nothing wrong; one value off is told."""
        verify = verifier(FULL_SCAN.statements)

        assert verify([SCANNED]) is None
        assert "row 7 is" in str(verify([SCANNED.replace(b"item-00000007", b"item-00000008")]))

    def test_no_row_error_and_junk(self) -> None:
        """A missing row, an error and junk are each told as what they are."""
        verify = verifier(SELECT_BY_KEY.statements)

        assert verify([ONE_ROW]) is None
        assert verify([NO_ROW]) == "0 rows instead of 1"
        assert verify([ERROR]) == "1146 Table 'devperf.items' doesn't exist"
        assert "cannot be read" in str(verify([b"HTTP/1.1 400"]))

    def test_rows_changed(self) -> None:
        """A write is right with one row changed."""
        assert verifier(UPDATE.statements)([OK]) is None
        assert verifier(UPDATE.statements)([PONG]) == "0 rows changed instead of 1"


def result(rows: int) -> bytes:
    """A binary result whose rows look like the end of one."""
    end = b"\xfe\x00\x00\x02\x00"
    row = b"\x00\x00\x05\x00\x00\x00" + end
    return reply(b"\x02", b"\x03def", b"\x03def", end, *[row] * rows, end)


class TestOwn:
    @pytest.mark.parametrize("rows", [0, 1, 254, 255, 256, 511])
    def test_a_result_is_whole_at_its_end_alone(self, rows: int) -> None:
        """Whatever its rows hold and however many there are, no piece of a result is taken for all of it."""
        whole, ends = result(rows), wire.Ends()
        pieces = [
            whole[:size] for size in {*range(0, len(whole), 15), *range(max(0, len(whole) - 40), len(whole))}
        ]

        assert rows == wire.rows_in(whole)
        assert ends.complete(whole)
        assert ends.complete(whole)
        assert [] == [piece for piece in pieces if wire.Ends().complete(piece)]

    @pytest.mark.parametrize(
        ("rows", "right"), [(0, False), (1, True), (255, True), (256, True), (257, True)]
    )
    def test_no_rows_are_told_from_many(self, rows: int, right: bool) -> None:
        """Where rows must come, none is wrong and 256 are right."""
        check = wire.own_checker(lambda count: count >= 1, 1, 2**63, b"")

        assert (Outcome.OK if right else Outcome.WRONG) == check([result(rows)])

    def test_arguments_are_sent_as_what_they_are(self) -> None:
        """A mask of nulls, the type of each argument, and the values of those that are there."""
        sent = wire.execute_own(7, [None, 5, "\u00fc", 2.5, 2**63])

        assert sent.endswith(
            b"\x01\x01\x06\x00\x08\x00\xfd\x00\x05\x00\x08\x80"
            + (5).to_bytes(8, "little")
            + b"\x02\xc3\xbc"
            + b"\x00\x00\x00\x00\x00\x00\x04\x40"
            + (2**63).to_bytes(8, "little")
        )
