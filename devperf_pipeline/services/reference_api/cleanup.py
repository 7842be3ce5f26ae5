"""
What is ours behind a reference API, and how does it leave, also after a run that was killed?

Keys in the cache and a queue in the broker, reached by nothing but the API's own routes. Since no route lists keys,
how many were stored to be deleted is noted in a key of its own.
"""

from collections.abc import Sequence

from devperf_pipeline.errors import WrongAnswer
from devperf_pipeline.services.http.client import HttpClient
from devperf_pipeline.services.http.protocol import json_object
from devperf_pipeline.services.operation import OUR_NAME
from devperf_pipeline.services.probe import show
from devperf_pipeline.services.reference_api.workload import DELETED, MOST_DELETED, SEED_TTL_S, VALUE, Api

NOTES = {DELETED: "stored", "doomed": "laid-in"}
"""Families of keys that are stored to be deleted, each with the key that says how many; earlier versions wrote the second."""


class OwnObjects:
    """Our keys and our queue."""

    def __init__(self, api: Api, client: HttpClient) -> None:
        self._api, self._client = api, client
        self._deletable = 0

    def names(self) -> Sequence[str]:
        """All of them, as `Session.objects` says it."""
        return [f"keys {OUR_NAME}:{self._api.names.service}:*", f"queue {self._api.names.queue}"]

    def store(self, key: str, ttl: int | None = None, *, value: str = VALUE) -> None:
        """Store a key; raises a `WrongAnswer` where the API does not."""
        target, body = self._api.store(key, ttl, value)
        answer = self._client.ask("POST", target, body)
        if answer.status != 200:
            raise WrongAnswer(
                f"{self._client.where}: expected a key to be stored, "
                f"found {answer.status} {show(answer.body)}. Look at the API's cache."
            )

    def store_deletable(self, users: int, size: int) -> None:
        """One key for each call of a DELETE to come."""
        if users * size > self._deletable:
            # Noted first: should we be killed, the next run knows which keys to look for.
            self._deletable = users * size
            self.store(self._api.names.one(NOTES[DELETED]), SEED_TTL_S, value=str(self._deletable))
        for number in range(users * size):
            self.store(self._api.names.numbered(DELETED, number), SEED_TTL_S)

    def drop_queue(self) -> None:
        """Remove our queue, where the API has a route for that."""
        if self._api.drop is not None:
            self._client.ask("DELETE", self._api.drop)

    def remove(self) -> None:
        """Remove everything that is ours. A note goes after its keys: until then the next run knows what is left."""
        names = self._api.names
        keys = [names.key]
        for family, note in NOTES.items():
            known = self._deletable if family == DELETED else 0
            if count := max(known, self._noted(note)):
                keys += [*(names.numbered(family, number) for number in range(count)), names.one(note)]
        for key in keys:
            if self._client.ask("DELETE", f"/examples/cache/{key}").status >= 400:
                break
        self._deletable = 0
        self.drop_queue()

    def _noted(self, note: str) -> int:
        """How many keys a note says there are; 0 where there is none."""
        answer = self._client.ask("GET", f"/examples/cache/{self._api.names.one(note)}")
        said = json_object(answer.body) or {} if answer.status == 200 else {}
        return min(int(said["value"]), MOST_DELETED) if str(said.get("value", "")).isdecimal() else 0
