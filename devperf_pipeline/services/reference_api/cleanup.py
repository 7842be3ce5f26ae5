"""
What is ours behind a reference API, and how does it leave, also after a run that was killed?

One key in the cache and a queue in the broker. The key is written where the API keeps its keys, if the stack names that
Redis and the API answers with what lies there; else by the API's own routes.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Protocol, cast

from devperf_pipeline.errors import ServiceError, ServiceRefused, WrongAnswer
from devperf_pipeline.model import Service
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.services.http.client import HttpClient
from devperf_pipeline.services.http.protocol import json_object
from devperf_pipeline.services.http.reasons import reason_of
from devperf_pipeline.services.reference_api.workload import SEED_TTL_S, VALUE, Api

CACHES = ("redis", "redis_cluster")
"""The kinds of services that can be the cache of an API."""


class KeyStore(Protocol):
    """What the sessions of `CACHES` give."""

    def store(self, key: str, value: str, seconds: int) -> None: ...
    def remove(self, key: str) -> None: ...
    def close(self) -> None: ...


class OwnObjects:
    """Our key and our queue. `behind` are the services that the API needs."""

    def __init__(self, api: Api, client: HttpClient, behind: Sequence[Service]) -> None:
        self._api, self._client = api, client
        self._caches = [service for service in behind if service.kind in CACHES]
        self._cache: KeyStore | None = None
        self._stored = self._looked = False

    @property
    def is_direct(self) -> bool:
        """Whether the API is asked nothing to have our key stored, as far as one knows."""
        return self._cache is not None or (not self._looked and bool(self._caches))

    def names(self) -> Sequence[str]:
        """All of them, as `Session.objects` says it."""
        return [f"keys {self._api.names.key}", f"queue {self._api.names.queue}"]

    def find_cache(self) -> None:
        """Find the service where the API keeps its keys: the one of which it answers with what was written there."""
        self.close()
        self._looked = True
        for service in self._caches:
            with suppress(ServiceError):
                cache = _opened(service)
                cache.store(self._api.names.key, VALUE, SEED_TTL_S)
                answer = self._client.ask("GET", self._api.names.path)
                if answer.status == 200 and (json_object(answer.body) or {}).get("value") == VALUE:
                    self._cache = cache
                    return
                cache.remove(self._api.names.key)
                cache.close()

    def store(self) -> None:
        """Store our key; raises a `WrongAnswer` where the API does not."""
        if self._cache is not None:
            self._cache.store(self._api.names.key, VALUE, SEED_TTL_S)
            return
        target, body = self._api.store
        answer = self._client.ask("POST", target, body)
        self._stored = self._stored or answer.status == 200
        if answer.status != 200:
            raise WrongAnswer(
                f"{self._client.where}: expected a key to be stored, found status {answer.status}"
                f"{reason_of(answer.body)}. Look at the API's cache."
            )

    def drop_queue(self) -> None:
        """Remove our queue, where the API has a route for that."""
        if self._api.drop is not None:
            self._client.ask("DELETE", self._api.drop)

    def remove(self) -> None:
        """
        Remove everything that is ours.

        Raises:
            ServiceRefused: our key may be left, and how long.

        """
        if self._cache is not None:
            self._cache.remove(self._api.names.key)
        else:
            for service in self._caches:
                with suppress(ServiceError), closing(_opened(service)) as cache:
                    cache.remove(self._api.names.key)
            answer = self._client.ask("DELETE", self._api.names.path)
            if answer.status >= 400 and answer.status != 404 and self._stored:
                raise ServiceRefused(
                    f"{self._client.where}: expected our key {self._api.names.key} to be removed, found status "
                    f"{answer.status}{reason_of(answer.body)}. It is left in the API's cache: remove it there, or run "
                    "devperf clean later."
                )
        self._stored = False
        self.drop_queue()

    def close(self) -> None:
        """End the session with the cache."""
        if self._cache is not None:
            self._cache.close()
            self._cache = None


def _opened(service: Service) -> KeyStore:
    return cast("KeyStore", CATALOGUE[service.kind].open_session(service))
