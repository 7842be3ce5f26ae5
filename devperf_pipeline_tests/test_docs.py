import re
from pathlib import Path

import duckdb
import pytest

from devperf_pipeline.cli import main
from devperf_pipeline.measure.profile import PROFILES
from devperf_pipeline.model import Outcome
from devperf_pipeline.report.data_dictionary import dictionary
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.redis import workload
from devperf_pipeline.services.redis.workload import Keys
from devperf_pipeline.stack.folders import Folders
from devperf_pipeline.stack.stack_file import load_stack
from devperf_pipeline.store import warehouse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DATA = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
YOUR_STACK = (ROOT / "docs" / "your-stack.md").read_text(encoding="utf-8")
STACKS = (ROOT / "docs" / "stacks.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


class TestReadme:
    def test_its_sql_runs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Every statement that the README shows runs in a DuckDB client, in the project's folder."""
        warehouse.build(Folders(tmp_path))
        with duckdb.connect(str(Folders(tmp_path).warehouse)) as con:
            for baseline_id in set(re.findall(r"'(\d{8}T\d{6}Z-\w{4})'", "".join(blocks("sql")))):
                con.execute(
                    "insert into baselines by name select $id as baseline_id, 'local' as stack, 'quick' as profile, "
                    "1 as seed, now() as began_at, 'complete' as state, 0 as samples, 0 as rounds, 1 as schema_version",
                    {"id": baseline_id},
                )
        monkeypatch.chdir(tmp_path)
        with duckdb.connect() as con:
            for block in blocks("sql"):
                for statement in con.extract_statements(block):
                    con.execute(statement)
            commented = con.execute(
                "select count(*) from duckdb_columns() where comment is not null"
            ).fetchone()

        assert commented
        assert commented[0] > 50

    def test_its_operation_is_one(self) -> None:
        """The operation that it shows asks, is seeded and is checked as those of the module that it names."""
        [text] = blocks("python")
        made = eval(text, {**vars(workload), "keys": Keys("redis")})  # noqa: S307 - our own README
        assert made.seed is not None
        held = {name: value for _, name, value in made.seed(1, 10)}
        wire = made.wire([], 0, 10)

        assert all(100 == len(held[made.words(0, call)[1]]) for call in range(10))
        assert (10, Outcome.OK) == (len(wire.calls), wire.check([b":100\r\n"]))
        assert (None, Outcome.WRONG) == (wire.verify([b":100\r\n"]), wire.check([b":99\r\n"]))
        assert "_one_key" in README
        assert hasattr(workload, "_one_key")

    def test_names_every_command(self) -> None:
        """Each command of the shell is shown, as `make X` or `devperf X`."""
        missing = [
            name for name in main.commands if f"devperf {name}" not in README and f"make {name}" not in README
        ]

        assert [] == missing

    def test_names_every_profile(self) -> None:
        """Each profile is named."""
        assert [] == [name for name in PROFILES if name not in README and name != "quick"]

    def test_names_every_table(self, tmp_path: Path) -> None:
        """Each table and view of the warehouse is named."""
        warehouse.build(Folders(tmp_path))
        con = warehouse.connect(Folders(tmp_path))
        try:
            tables = [
                row[0] for row in con.execute("select table_name from information_schema.tables").fetchall()
            ]
        finally:
            con.close()

        assert [] == [name for name in tables if f"`{name}`" not in README]


class TestYourStack:
    def test_its_file_is_valid(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The file of ten lines is read without a complaint, as are those that keep their passwords in a Vault."""
        monkeypatch.setenv("SHOP_DB_PASSWORD", "secret")
        [shop] = blocks("toml", YOUR_STACK)
        vaulted = next(block for block in blocks("toml", STACKS) if "[vault]" in block)
        for text in (shop, f'name = "shop"\nmanaged = false\n{vaulted}'):
            (tmp_path / "shop.toml").write_text(text, encoding="utf-8")
            stack = load_stack(str(tmp_path / "shop.toml"), Folders(tmp_path), CATALOGUE)
            assert ["postgresql"] == [service.name for service in stack.services]

        assert len(shop.split("\n")) <= 10
        assert {"username", "password", "database"} == set(stack.service("postgresql").kept)

    def test_its_links_lead_somewhere(self) -> None:
        """Each section of the reference that the guide names is there."""
        titles = re.findall(r"^#+ (.+)$", STACKS, re.MULTILINE)
        sections = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}

        assert set(re.findall(r"stacks\.md#([\w-]+)", YOUR_STACK)) <= sections


class TestData:
    def test_is_made_from_the_comments(self, tmp_path: Path) -> None:
        """docs/data.md is what `make docs` would write now."""
        warehouse.build(Folders(tmp_path))
        with warehouse.connect(Folders(tmp_path)) as con:
            page = dictionary(con)

        assert page == DATA

    def test_its_questions_have_answers(self, tmp_path: Path) -> None:
        """Ten questions and more, each of which the warehouse answers."""
        warehouse.build(Folders(tmp_path))
        questions = re.findall(r"```sql\n(.*?)```", DATA, re.DOTALL)
        with warehouse.connect(Folders(tmp_path)) as con:
            for question in questions:
                con.execute(question)

        assert len(questions) >= 10


class TestStacks:
    def test_names_every_kind(self) -> None:
        """Each kind of service can be described in a stack file, and is named where that is explained."""
        assert [] == [name for name in CATALOGUE if f"`{name}`" not in STACKS]

    def test_its_api_is_described_as_it_must_be(self, tmp_path: Path) -> None:
        """The stack file that is shown for any API is read without a complaint."""
        [block] = [text for text in re.findall(r"```toml\n(.*?)```", STACKS, re.DOTALL) if "routes" in text]
        (tmp_path / "shop.toml").write_text(block, encoding="utf-8")
        service = load_stack(str(tmp_path / "shop.toml"), Folders(tmp_path), CATALOGUE).service("api")

        assert ("/orders/7", "/orders?limit=10", "/health") == service.routes

    def test_its_own_operations_are_described_as_they_must_be(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The stack file that is shown for one's own statements is read without a complaint."""
        monkeypatch.setenv("SHOP_PASSWORD", "secret")
        block = "".join(
            text for text in re.findall(r"```toml\n(.*?)```", STACKS, re.DOTALL) if "operations]]" in text
        )
        (tmp_path / "shop.toml").write_text(block, encoding="utf-8")
        service = load_stack(str(tmp_path / "shop.toml"), Folders(tmp_path), CATALOGUE).service("postgresql")

        assert ["orders of a customer", "add a visit"] == [own.title for own in service.own_operations]


class TestArchitecture:
    def test_names_only_what_exists(self) -> None:
        """Every module that the page names is there."""
        named = re.findall(r"`((?:stack|services|measure|store|analyse|report|defs)/[\w./]+)`", ARCHITECTURE)

        assert len(named) > 8
        assert [] == [name for name in named if not (ROOT / "devperf_pipeline" / name).exists()]
