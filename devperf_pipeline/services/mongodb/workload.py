"""
What is a document database asked?

The published operations, each as the command that goes over the wire and as an application asks through pymongo.
Every value follows from its `_id`, an integer, so a reply can be verified without remembering what was asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pymongo.errors import PyMongoError

from devperf_pipeline.model import Outcome
from devperf_pipeline.services.database.seed import JOINED_ROWS, ROWS, any_key, name_of, own_key, value_of
from devperf_pipeline.services.database.workload import Recipe
from devperf_pipeline.services.mongodb import protocol
from devperf_pipeline.services.mongodb.connection import MongodbConnection, Ours, failure
from devperf_pipeline.services.mongodb.protocol import ID, ONE_DONE, ONE_MODIFIED, Answer, Document
from devperf_pipeline.services.operation import Driver, Operation, Step, Wire, floor

GROUPS = 1_000
"""Documents of the same `group`: one in so many. No index is on it."""

KINDS, STATES, REGIONS = 10, 4, 7


def item(key: int) -> dict[str, Any]:
    """The document of `key` in every collection of items, about 210 bytes."""
    return {
        "_id": key,
        "name": name_of(key),
        "value": value_of(key),
        "group": key % GROUPS,
        "kind": key % KINDS,
        "version": 0,
    }


def order(key: int) -> dict[str, Any]:
    """The order of `key`: whose it is, its amount, its state."""
    return {"_id": key, "customer": 1 + key * 7 % JOINED_ROWS, "amount": key * 3, "state": key % STATES}


def customer(key: int) -> dict[str, Any]:
    """The customer of `key`, in one of the regions."""
    return {"_id": key, "name": name_of(key), "region": key % REGIONS}


COLLECTIONS: Mapping[str, tuple[Callable[[int], dict[str, Any]], int]] = {
    **dict.fromkeys(("items", "inserted", "updated", "deleted"), (item, ROWS)),
    "orders": (order, JOINED_ROWS),
    "customers": (customer, JOINED_ROWS),
}
"""What each collection holds, and how many of it; each operation that changes documents has its own."""

SIMPLE = [
    {"$match": {"kind": {"$lt": KINDS // 2}}},
    {"$group": {"_id": "$kind", "count": {"$sum": 1}, "total": {"$sum": "$group"}}},
]
"""Half of the 10,000 items, counted and summed by kind."""

COMPLEX = [
    {"$match": {"state": {"$lt": STATES // 2}}},
    {"$lookup": {"from": "customers", "localField": "customer", "foreignField": "_id", "as": "customer"}},
    {"$unwind": "$customer"},
    {"$group": {"_id": "$customer.region", "orders": {"$sum": 1}, "amount": {"$sum": "$amount"}}},
    {"$sort": {"_id": 1}},
]
"""Half of the 1,000 orders, each with its customer of 1,000, counted and summed by region."""


@cache
def _kind(kind: int) -> dict[str, int]:
    members = [key % GROUPS for key in range(1, ROWS + 1) if key % KINDS == kind]
    return {"_id": kind, "count": len(members), "total": sum(members)}


@cache
def _region(region: int) -> dict[str, int]:
    orders = [order(key) for key in range(1, JOINED_ROWS + 1)]
    chosen = [each for each in orders if each["state"] < STATES // 2 and each["customer"] % REGIONS == region]
    return {"_id": region, "orders": len(chosen), "amount": sum(each["amount"] for each in chosen)}


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentRecipe(Recipe):
    """
    One operation and its two ways of asking; its `table` is a collection.

    `command` makes of a call's arguments what is sent, `ask` does the same through pymongo.
    `count` documents come back or are changed; `mark` is in a right reply so many times.
    `right` says what the returned document of an `_id` must be; `ordered` ones come by `_id`.
    """

    command: Callable[[Any], dict[str, Any]]
    ask: Callable[[Ours, Any], Answer]
    mark: bytes = ID
    count: int = 1
    right: Callable[[Any], Document] | None = None
    ordered: bool = False

    def check(self, answer: Answer) -> int:
        """The outcome of a call through the driver: as many documents came back, or were changed, as should."""
        return Outcome.OK if answer[0] == self.count else Outcome.WRONG

    def wrong(self, answer: Answer) -> str | None:
        """What is wrong with an answer, read in full, or None."""
        count, documents = answer
        if count != self.count:
            return f"{count} documents instead of {self.count}"
        if self.right is None:
            return None
        ids: list[Any] = [each.get("_id") for each in documents]
        if len(set(ids)) != count:
            return "the same document came twice"
        if self.ordered and ids != sorted(ids):
            return f"the documents came in the order {ids!r}"
        for each in documents:
            if each != self.right(each.get("_id")):
                return f"document {each.get('_id')!r} is {each!r} instead of {self.right(each.get('_id'))!r}"
        return None


def _new(user: int, number: int, _size: int) -> dict[str, Any]:
    document = item(any_key(user, number))
    del document["_id"]
    return document


def _aggregate(collection: str, pipeline: list[dict[str, Any]]) -> dict[str, Any]:
    return {"aggregate": collection, "pipeline": pipeline, "cursor": {}}


def _found(documents: list[dict[str, Any]]) -> Answer:
    return len(documents), documents


RECIPES = (
    DocumentRecipe(
        name="insert-one",
        title="insertOne",
        arguments=_new,
        # The server makes the `_id`; pymongo makes it by itself, in the copy that it is given.
        command=lambda new: {"insert": "inserted", "documents": [new]},
        ask=lambda ours, new: (int(ours.inserted.insert_one(dict(new)).acknowledged), ()),
        mark=ONE_DONE,
        table="inserted",
        rows=lambda _users, _size: 0,
    ),
    DocumentRecipe(
        name="find-one",
        title="findOne (by _id)",
        arguments=lambda user, number, _size: any_key(user, number),
        command=lambda key: {"find": "items", "filter": {"_id": key}, "limit": 1, "singleBatch": True},
        ask=lambda ours, key: _found([each for each in (ours.items.find_one({"_id": key}),) if each]),
        right=item,
    ),
    DocumentRecipe(
        # No index helps, so all 10,000 documents are looked at; ten come back.
        name="collection-scan",
        title="find (collection scan)",
        arguments=lambda user, number, _size: any_key(user, number) % GROUPS,
        command=lambda group: {"find": "items", "filter": {"group": group}},
        ask=lambda ours, group: _found(list(ours.items.find({"group": group}))),
        count=ROWS // GROUPS,
        right=item,
        took_s=0.01,
    ),
    DocumentRecipe(
        # The version changes with every call: a document that stays as it was is not written.
        name="update-one",
        title="updateOne (by _id)",
        arguments=lambda user, number, _size: own_key(user, number),
        command=lambda key: {"update": "updated", "updates": [{"q": {"_id": key}, "u": _change(key)}]},
        ask=lambda ours, key: (ours.updated.update_one({"_id": key}, _change(key)).modified_count, ()),
        mark=ONE_MODIFIED,
        table="updated",
    ),
    DocumentRecipe(
        name="delete-one",
        title="deleteOne (by _id)",
        arguments=lambda user, number, size: 1 + user * size + number,
        command=lambda key: {"delete": "deleted", "deletes": [{"q": {"_id": key}, "limit": 1}]},
        ask=lambda ours, key: (ours.deleted.delete_one({"_id": key}).deleted_count, ()),
        mark=ONE_DONE,
        table="deleted",
        rows=lambda users, size: users * size,
        finite=True,
    ),
    DocumentRecipe(
        name="aggregate-simple",
        title="aggregate (simple)",
        arguments=lambda _user, _number, _size: None,
        command=lambda _: _aggregate("items", SIMPLE),
        ask=lambda ours, _: _found(list(ours.items.aggregate(SIMPLE))),
        count=KINDS // 2,
        right=_kind,
        took_s=0.01,
    ),
    DocumentRecipe(
        name="aggregate-complex",
        title="aggregate (complex)",
        arguments=lambda _user, _number, _size: None,
        command=lambda _: _aggregate("orders", COMPLEX),
        ask=lambda ours, _: _found(list(ours.orders.aggregate(COMPLEX))),
        count=REGIONS,
        right=_region,
        ordered=True,
        took_s=0.01,
    ),
)


def _change(key: int) -> dict[str, Any]:
    return {"$set": {"value": value_of(key)}, "$inc": {"version": 1}}


def operations(fill: Callable[[str, int], None]) -> Sequence[Operation]:
    """The floor and the seven published operations."""
    return (
        floor("ping", _floor_wire, _floor_driver),
        *(recipe.operation(wire=_wire, driver=_driver, fill=fill) for recipe in RECIPES),
    )


def _wire(recipe: DocumentRecipe, connection: MongodbConnection, user: int, size: int) -> Wire:
    return Wire(
        sockets=(connection.socket,),
        calls=[
            (Step(protocol.encode(recipe.command(arguments), connection.database), protocol.complete),)
            for arguments in recipe.every_call(user, size)
        ],
        check=protocol.checker(recipe.count, recipe.mark),
        verify=protocol.verifier(recipe.wrong),
    )


def _driver(recipe: DocumentRecipe, connection: MongodbConnection, user: int, size: int) -> Driver:
    """One user's calls through pymongo, as an application makes them."""
    connection.give_back()
    ours, ask, calls = connection.ours, recipe.ask, recipe.every_call(user, size)
    count = len(calls)

    def call(number: int) -> Answer:
        return ask(ours, calls[number % count])

    return Driver(
        call=call,
        check=recipe.check,
        verify=recipe.wrong,
        exceptions=(PyMongoError,),
        failure=failure,
        size=count if recipe.finite else None,
    )


def _floor_wire(connection: MongodbConnection) -> Wire:
    ping = protocol.encode({"ping": 1}, connection.database)
    return Wire(
        sockets=(connection.socket,),
        calls=((Step(ping, protocol.complete),),),
        check=protocol.checker(0, protocol.ID),
        verify=protocol.verifier(lambda _: None),
    )


def _floor_driver(connection: MongodbConnection) -> Driver:
    connection.give_back()
    ours = connection.ours
    return Driver(
        call=lambda _: ours.command("ping"),
        check=lambda answer: Outcome.OK if answer.get("ok") == 1 else Outcome.WRONG,
        verify=protocol.error_of,
        exceptions=(PyMongoError,),
        failure=failure,
    )
