import struct

import pytest

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.database.seed import ROWS, item
from devperf_pipeline.services.database.workload import FULL_SCAN, SELECT_BY_KEY, TRANSACTION, UPDATE
from devperf_pipeline.services.postgresql import protocol as wire
from devperf_pipeline.services.postgresql.protocol import (
    check_nothing,
    checker,
    tags_of,
    verifier,
    verify_nothing,
)

READY = b"Z\x00\x00\x00\x05I"
BOUND = b"2\x00\x00\x00\x04"


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def row(values: tuple[int | str, ...]) -> bytes:
    columns = [value.to_bytes(4) if isinstance(value, int) else value.encode() for value in values]
    body = b"".join(len(column).to_bytes(4) + column for column in columns)
    return message(b"D", len(columns).to_bytes(2) + body)


def done(tag: str) -> bytes:
    return message(b"C", tag.encode() + b"\x00")


ERROR = message(b"E", b'SERROR\x00VERROR\x00C42P01\x00Mrelation "Z" does not exist\x00\x00') + READY
ONE_ROW = BOUND + row(item(90)) + done("SELECT 1") + READY
UPDATED = BOUND + done("UPDATE 1") + READY
SCANNED = BOUND + b"".join(row(item(key)) for key in range(1, ROWS + 1)) + done(f"SELECT {ROWS}") + READY


class TestEncoding:
    def test_parse(self) -> None:
        """Placeholders become numbered, and each argument's type is told."""
        body = b"s1\x00SELECT $1, $2\x00\x00\x02\x00\x00\x00\x17\x00\x00\x00\x19"

        assert message(b"P", body) == wire.parse("s1", "SELECT %s, %s", (1, "a"))

    def test_execute(self) -> None:
        """Bind, Execute and Sync follow each other; arguments and result are binary."""
        body = b"\x00s1\x00" + b"\x00\x01\x00\x01" + b"\x00\x02"
        body += b"\x00\x00\x00\x04\x00\x00\x00\x07" + b"\x00\x00\x00\x03\xc3\xa4b" + b"\x00\x01\x00\x01"
        expected = message(b"B", body) + message(b"E", b"\x00" + bytes(4)) + message(b"S", b"")

        assert expected == wire.execute("s1", (7, "äb"))


class TestComplete:
    @pytest.mark.parametrize("reply", [ONE_ROW, UPDATED, ERROR, READY, message(b"I", b"") + READY])
    def test_only_the_whole_reply(self, reply: bytes) -> None:
        """Cut anywhere, a reply is not complete; whole, it is."""
        assert wire.complete(reply)
        assert [cut for cut in range(len(reply)) if wire.complete(reply[:cut])] == []

    def test_a_scan_cut_anywhere(self) -> None:
        """No row of the big reply looks like its end, whichever key it has."""
        assert wire.complete(SCANNED)
        assert SCANNED.count(wire.READY) == 1


class TestReading:
    def test_rows(self) -> None:
        """Rows come back as they were sent."""
        assert [item(90)] == wire.rows_of(ONE_ROW, item(1))

    def test_error(self) -> None:
        """An error is told with its code and text."""
        assert wire.error_of(ERROR) == '42P01 relation "Z" does not exist'
        assert wire.error_of(ONE_ROW) is None

    @pytest.mark.parametrize("junk", [b"D", b"HTTP/1.1 400 Bad Request\r\n", b"D\x00\x00\x00\x00"])
    def test_junk(self, junk: bytes) -> None:
        """What is not made of messages is refused, not guessed at."""
        with pytest.raises(ValueError, match="a message"):
            list(wire.messages(junk))

    def test_a_row_with_other_columns(self) -> None:
        """A row of two columns is no row of three."""
        with pytest.raises(ValueError, match="does not hold 3 columns"):
            wire.rows_of(row((1, "name")), item(1))


class TestCheck:
    def test_right_error_and_wrong(self) -> None:
        """The tag decides; without it an ErrorResponse is an error, anything else is wrong."""
        check = checker(tags_of(SELECT_BY_KEY.statements))

        assert check([ONE_ROW]) == Outcome.OK
        assert check([ERROR]) == Outcome.ERROR
        assert check([BOUND + done("SELECT 0") + READY]) == Outcome.WRONG
        assert check([UPDATED]) == Outcome.WRONG
        assert check([b"HTTP/1.1 400"]) == Outcome.WRONG

    def test_a_row_that_was_not_there(self) -> None:
        """An update that changed nothing is wrong."""
        assert checker(tags_of(UPDATE.statements))([BOUND + done("UPDATE 0") + READY]) == Outcome.WRONG

    def test_a_transaction_that_rolled_back(self) -> None:
        """A transaction is right only if its COMMIT committed."""
        tags = tags_of([None, *TRANSACTION.statements, None])
        right = [BOUND + tag.join((b"C" + (len(tag) + 4).to_bytes(4), b"")) + READY for tag in tags]

        assert checker(tags)(right) == Outcome.OK
        assert checker(tags)([*right[:-1], BOUND + done("ROLLBACK") + READY]) == Outcome.WRONG
        assert (
            checker(tags)([right[0], ERROR, *right[2:-1], BOUND + done("ROLLBACK") + READY]) == Outcome.ERROR
        )

    def test_nothing(self) -> None:
        """An empty statement is answered by saying so."""
        assert check_nothing([message(b"I", b"") + READY]) == Outcome.OK
        assert check_nothing([UPDATED]) == Outcome.WRONG
        assert verify_nothing([message(b"I", b"") + READY]) is None
        assert "was answered" in str(verify_nothing([UPDATED]))


class TestVerify:
    def test_every_value(self) -> None:
        """A right scan has nothing wrong; one value off is told."""
        verify = verifier(FULL_SCAN.statements)

        assert verify([SCANNED]) is None
        assert "row 7 is" in str(verify([SCANNED.replace(b"item-00000007", b"item-00000008")]))

    def test_too_few_rows(self) -> None:
        """Rows are counted, whatever the tag says."""
        assert verifier(SELECT_BY_KEY.statements)([BOUND + done("SELECT 1") + READY]) == "0 rows instead of 1"

    def test_error_tag_and_junk(self) -> None:
        """An error, another tag and junk are each told as what they are."""
        verify = verifier(UPDATE.statements)

        assert verify([UPDATED]) is None
        assert verify([ERROR]) == '42P01 relation "Z" does not exist'
        assert "instead of b'UPDATE 1" in str(verify([ONE_ROW]))
        assert "cannot be read" in str(verify([b"HTTP/1.1"]))
