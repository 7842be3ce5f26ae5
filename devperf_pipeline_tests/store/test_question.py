import pytest

from devperf_pipeline.errors import StoreError
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.store import warehouse
from devperf_pipeline.store.question import ask


class TestAsk:
    def test_answers(self, folders: Folders) -> None:
        """Columns by their names, rows as they come."""
        warehouse.build(folders)
        with warehouse.connect(folders) as con:
            answer = ask(con, "select 1 as one, 'two' as two")

            assert (["one", "two"], [(1, "two")]) == (list(answer.columns), list(answer.rows))

    @pytest.mark.parametrize(
        ("question", "reason"),
        [
            ("from nowhere", "Table with name nowhere does not exist"),
            ("selec 1", "syntax error"),
            ("delete from baselines", "read-only"),
            ("", "found none"),
            ("select error('late') from baselines union all select error('late')", "late"),
        ],
    )
    def test_explains_what_it_cannot_answer(self, folders: Folders, question: str, reason: str) -> None:
        """DuckDB's own reason is in the message; nothing is written."""
        warehouse.build(folders)
        with warehouse.connect(folders) as con, pytest.raises(StoreError, match=reason):
            list(ask(con, question).rows)
