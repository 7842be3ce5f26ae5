"""
What does each route answer? The schemas of `openapi.yaml`, as models.
"""

from typing import Literal

from pydantic import BaseModel, Field, JsonValue


class About(BaseModel):
    """
    What is running here.
    """

    name: str
    framework: str
    version: str
    runtime: str
    server: str
    aggregation: Literal["sequential", "concurrent"]


class Health(BaseModel):
    """
    The API itself answers. Dependencies are not asked.
    """

    status: Literal["healthy"] = "healthy"


class DependencyHealth(BaseModel):
    """
    What one dependency answered just now, how long that took, and why not if it did not.
    """

    status: Literal["healthy", "unhealthy", "absent"]
    latency_ms: float
    version: str | None = None
    error: str | None = None


class OverallHealth(BaseModel):
    """
    Every dependency, asked just now. Healthy when every configured one is.
    """

    status: Literal["healthy", "degraded"]
    dependencies: dict[str, DependencyHealth]


class Unavailable(BaseModel):
    """
    A dependency that this route needs is not configured, or does not answer.
    """

    status: Literal["unavailable"] = "unavailable"
    reason: Literal["absent", "unreachable"]
    error: str


class NotFound(BaseModel):
    """
    There is no such thing.
    """

    status: Literal["not_found"] = "not_found"
    error: str


class Secret(BaseModel):
    """
    A secret from Vault, its passwords masked.
    """

    service: str
    data: dict[str, JsonValue]
    version: int


class QueryResult(BaseModel):
    """
    What a small query answered.
    """

    database: Literal["postgres", "mysql", "mongodb"]
    query: str
    result: dict[str, JsonValue]


class CacheValue(BaseModel):
    """
    What is to be kept, and for how many seconds (null: for ever).
    """

    value: str = Field(max_length=10_000)
    # Strict: the text "60" is no integer.
    ttl: int | None = Field(default=None, ge=1, le=86_400, strict=True)


class Cached(BaseModel):
    """
    A key and the value found there.
    """

    key: str
    value: str


class CacheStored(BaseModel):
    """
    A key that was written.
    """

    key: str
    stored: Literal[True] = True
    ttl: int | None


class CacheDeleted(BaseModel):
    """
    A key that is gone, and whether it had been there.
    """

    key: str
    deleted: bool


class Message(BaseModel):
    """
    What is to be published: any JSON value.
    """

    message: JsonValue


class Published(BaseModel):
    """
    A message that the broker has confirmed.
    """

    queue: str
    published: Literal[True] = True


class QueueDeleted(BaseModel):
    """
    A queue that is gone, and how many messages were in it.
    """

    queue: str
    messages: int
