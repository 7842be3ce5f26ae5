"""
What are the words of this project, as plain data?

Read top to bottom: where things run (`Stack`, `Service`), what is asked of them (`Load`, `Benchmark`),
what came back (`Round`), and the sitting that holds it all together (`Baseline`).
Times are integer nanoseconds, sizes are integer bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Literal

Instrument = Literal["engine", "driver"]
"""What holds the clock: prepared bytes on a socket, or the driver as an application uses it."""

Phase = Literal["warmup", "measured"]

ServiceState = Literal["measured", "failed", "skipped"]


class Outcome(IntEnum):
    """
    How one call ended. Everything but OK counts as an error, and every call is kept.
    """

    OK = 0
    ERROR = 1
    """The service answered with an error of its own."""
    WRONG = 2
    """It answered, but not what was asked for."""
    TIMEOUT = 3
    """No whole answer within the deadline of a call."""
    LOST = 4
    """The connection broke."""
    LIMITED = 5
    """A rate limit answered in its place (HTTP 429, 503 with Retry-After)."""
    REDIRECTED = 6
    """It pointed elsewhere (HTTP 3xx, MOVED)."""
    DEGRADED = 7
    """Status 200, but the body says that something is not well."""


TOLERATED_FAILURES = 0.01
"""The share of calls that may fail (ERROR, TIMEOUT, LOST) in a benchmark that still says something."""


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where a service listens: a loopback host and a port.
    """

    host: str
    port: int

    def __str__(self) -> str:
        # As in a URL: the colons of IPv6 are not those before the port.
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    Who we are to a service. The password is masked wherever this is shown.
    """

    username: str
    password: str = field(repr=False)

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, password='********')"


@dataclass(frozen=True, slots=True)
class VaultField:
    """
    Where in a Vault something is kept: the path under `/v1/`, the field there, and which place says so.

    `where` is a file and its line, and which of a service's values is meant.
    """

    path: str
    field: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultLogin:
    """
    How the Vault that keeps credentials is entered: a token in the environment or in a file, or AppRole's two files.

    None of the secrets themselves is here. `where` is the place in the stack file that says so.
    """

    address: Address
    where: str
    token_variable: str | None = None
    token_file: Path | None = None
    role_id_file: Path | None = None
    secret_id_file: Path | None = None


Kept = Literal["username", "password", "database"]
"""What of a service a Vault may keep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """
    One running system, as the stack file describes it and, once started, where it is.

    `kind` names the module of `services/` that knows it; `name` is what every table calls it.
    `settings` are the server's own settings, in its own words ("shared_buffers").
    `kept` says what has to be read from a Vault before the service can be entered, `password_file` which file holds
    its password or token.
    """

    name: str
    kind: str
    addresses: tuple[Address, ...] = ()
    credentials: Credentials | None = None
    database: str | None = None
    settings: Mapping[str, str | int | bool] = field(default_factory=dict[str, str | int | bool])
    needs: tuple[str, ...] = ()
    kept: Mapping[Kept, VaultField] = field(default_factory=dict[Kept, VaultField])
    password_file: Path | None = None

    @property
    def address(self) -> Address:
        """
        Where the service is asked first.
        """
        return self.addresses[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """
    The services measured together, in the order of their file.

    `managed` stacks are started and stopped by this project; others are visited.
    `missing` says which services could not be started, or not be entered for want of credentials, and why.
    `vault` is the Vault that keeps credentials, if one does.
    """

    name: str
    path: Path
    managed: bool
    services: tuple[Service, ...]
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    vault: VaultLogin | None = None

    def service(self, name: str) -> Service:
        """
        The service of that name.

        Raises:
            KeyError: no service has that name.

        """
        return {service.name: service for service in self.services}[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What a running service says of itself: what it truly is, its version, the settings that matter.

    `product` is for people and names what really runs: "MariaDB 10.11 (MySQL protocol)".
    """

    product: str
    version: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Load:
    """
    How an operation is driven: a closed load of `users`, each of whom waits for the answer.
    """

    users: int

    def __str__(self) -> str:
        return f"closed-{self.users}"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """
    Operation x load x instrument. Its id is stable; every comparison joins on it.
    """

    service: str
    operation: str
    load: Load
    instrument: Instrument

    @property
    def id(self) -> str:
        """
        For example `redis/get-hit/closed-10/engine`.
        """
        return f"{self.service}/{self.operation}/{self.load}/{self.instrument}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """
    One uninterrupted slice of a benchmark: every call that was made, in the order of their ends.

    `begin_ns` are offsets from `began_at_ns` (wall clock, UTC epoch); latencies come from the monotonic clock.
    `number` counts from 1; warm-ups carry the number of the round they came before.
    `elapsed_ns` is the time the calls took together; throughput is calls / elapsed.
    `placement` says on which cores client and servers ran ("together:1", "apart:1|0", "free").
    `other_cpu` is the share (0 to 1) of all cores that other processes used meanwhile, None if unknown.
    `problem` is set where the round says nothing about the service ("connection lost after 12 calls").
    """

    benchmark: Benchmark
    number: int
    phase: Phase
    began_at_ns: int
    elapsed_ns: int
    begin_ns: Sequence[int]
    latency_ns: Sequence[int]
    outcome: Sequence[int]
    placement: str
    other_cpu: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """
    Everything measured in one sitting on one infrastructure.

    `id` sorts by time: `20261125T031500Z-3f9a`.
    `host` and `facts` are what was found when it began; `states` and `reasons` are filled when it ended.
    `operations` maps `service/operation` to the title that people know it by.
    """

    id: str
    stack: str
    profile: str
    seed: int
    began_at_ns: int
    host: Mapping[str, str]
    facts: Mapping[str, Facts]
    operations: Mapping[str, str] = field(default_factory=dict[str, str])
    ended_at_ns: int | None = None
    states: Mapping[str, ServiceState] = field(default_factory=dict[str, ServiceState])
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
