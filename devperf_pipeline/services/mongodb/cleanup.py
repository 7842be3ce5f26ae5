"""What is ours in MongoDB, how is it told from what is not, and how does it leave, also after a killed run?"""

from dataclasses import dataclass

from pymongo.errors import ConnectionFailure

from devperf_pipeline.model import Service
from devperf_pipeline.services.database.cleanup import OwnSpace
from devperf_pipeline.services.mongodb.connection import MongodbConnection, explained
from devperf_pipeline.services.mongodb.workload import COLLECTIONS

MARKER = "made_by_devperf_for_measuring"
"""The empty collection that tells our database from one that only has the same name."""

AT_ONCE = 1_000
"""So many documents go into one request: it is answered within the deadline on busy cores, too."""


@dataclass(frozen=True, slots=True)
class OwnDatabase(OwnSpace):
    """Our database, by one connection."""

    service: Service
    connection: MongodbConnection
    mark = f"hold our collection {MARKER}"

    @property
    def named(self) -> str:
        return f"database {self.connection.database}"

    def found(self) -> bool | None:
        with explained(self.service):
            try:
                names = self.connection.ours.list_collection_names()
            except ConnectionFailure:
                # It broke, and cleaning up must not depend on it: pymongo connects again.
                names = self.connection.ours.list_collection_names()
        return MARKER in names if names else None

    def make(self) -> None:
        with explained(self.service):
            self.connection.ours.create_collection(MARKER)
            for collection, (_, rows) in COLLECTIONS.items():
                self.fill(collection, rows)

    def fill(self, table: str, rows: int) -> None:
        ours, (document, _) = self.connection.ours, COLLECTIONS[table]
        ours.drop_collection(table)
        ours.create_collection(table)
        for first in range(1, rows + 1, AT_ONCE):
            keys = range(first, min(first + AT_ONCE, rows + 1))
            ours[table].insert_many([document(key) for key in keys], ordered=False)

    def drop(self) -> None:
        with explained(self.service):
            self.connection.client.drop_database(self.connection.database)
