import pytest

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.database.seed import CALLS, LANES, ROWS, any_key, item, new_key, own_key
from devperf_pipeline.services.database.workload import (
    DELETE,
    FULL_SCAN,
    INSERT,
    JOIN,
    SELECT_BY_KEY,
    TRANSACTION,
    UPDATE,
    SqlRecipe,
)

EVERY = (INSERT, SELECT_BY_KEY, FULL_SCAN, UPDATE, DELETE, TRANSACTION, JOIN)


class TestKeys:
    def test_read_keys_exist(self) -> None:
        """Every key that is read was seeded, and a user reads many different ones."""
        keys = {any_key(user, number) for user in range(10) for number in range(CALLS)}

        assert min(keys) >= 1
        assert max(keys) <= ROWS
        assert len({any_key(0, number) for number in range(CALLS)}) == CALLS

    def test_users_never_write_the_same_row(self) -> None:
        """What one user updates or inserts, no other of the first 32 does."""
        for key in (own_key, new_key):
            written = [{key(user, number) for number in range(CALLS)} for user in range(LANES)]

            assert len(set().union(*written)) == sum(len(keys) for keys in written)

    def test_updated_rows_are_spread_over_the_table(self) -> None:
        """A user's rows reach from the first to the last hundred of the seeded ones."""
        keys = {own_key(3, number) for number in range(CALLS)}

        assert min(keys) <= 100
        assert ROWS - 100 <= max(keys) <= ROWS


class TestRecipes:
    def test_deletes_use_every_row_once(self) -> None:
        """The users' prepared deletes together name exactly the rows that are there."""
        keys = [call[0][0] for user in range(3) for call in DELETE.every_call(user, 50)]

        assert sorted(keys) == list(range(1, 1 + DELETE.rows(3, 50)))

    @pytest.mark.parametrize("recipe", EVERY, ids=lambda recipe: recipe.name)
    def test_every_placeholder_has_an_argument(self, recipe: SqlRecipe) -> None:
        """The arguments of a call fit its statements."""
        for call in recipe.every_call(1, 5):
            expected = [statement.text.count("%s") for statement in recipe.statements]

            assert expected == [len(arguments) for arguments in call]

    def test_the_transaction_reads_back_what_it_inserts_and_leaves_nothing(self) -> None:
        """Its first statement inserts the row that its fourth selects and its fifth deletes."""
        (inserted, _, _, read, deleted) = next(iter(TRANSACTION.every_call(4, 1)))

        assert item(int(inserted[0])) == inserted
        assert inserted[:1] == read == deleted

    def test_no_value_looks_like_the_end_of_a_reply(self) -> None:
        """Values hold neither a Z (PostgreSQL's last message) nor a byte of 0xFE or more (MySQL's last packet)."""
        for key in (1, 90, 254, 10_000, 100_000):
            text = "".join(item(key)[1:]).encode()

            assert b"Z" not in text
            assert max(text) < 0xFE


class TestStatement:
    def test_says_what_is_wrong(self) -> None:
        """Missing, doubled and changed rows are told apart."""
        statement = SELECT_BY_KEY.statements[0]

        assert statement.wrong([item(7)]) is None
        assert statement.wrong([]) == "0 rows instead of 1"
        assert "instead of (7, 'item-00000007'" in str(statement.wrong([(7, "item-00000007", "x")]))
        assert FULL_SCAN.statements[0].wrong([item(7)] * ROWS) == "the same row came twice"

    def test_a_write_returns_no_rows(self) -> None:
        """Rows from an UPDATE are wrong."""
        assert UPDATE.statements[0].wrong([]) is None
        assert UPDATE.statements[0].wrong([item(1)]) == "UPDATE returned 1 rows instead of none"


class TestDriverResults:
    def test_counts_are_checked(self) -> None:
        """One changed row is right, none is wrong."""
        assert UPDATE.check([(1, [])]) == Outcome.OK
        assert UPDATE.check([(0, [])]) == Outcome.WRONG

    def test_values_are_verified(self) -> None:
        """A row of the right count with a wrong value is told."""
        assert SELECT_BY_KEY.wrong([(1, [item(3)])]) is None
        assert "row 3 is" in str(SELECT_BY_KEY.wrong([(1, [(3, "item-00000004", "")])]))
