"""
What are the words of this project, as plain data?

Read top to bottom: where things run (`Stack`, `Service`), what is asked of them (`Load`, `Benchmark`),
what came back (`Round`), and the run that holds it all together (`Baseline`).
Times are integer nanoseconds, sizes are integer bytes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal

Tool = Literal["ab", "wrk", "h2load", "pgbench", "redis-benchmark", "sysbench"]
"""Reference tools: second instruments, by the names of their programs."""

ImportedTool = Literal["hey", "autocannon", "mysqlslap"]
"""Tools that are not run here, and whose results can be imported."""

Instrument = Literal["engine", "driver"] | Tool | ImportedTool
"""What holds the clock: prepared bytes on a socket, the driver as an application uses it, or a reference tool."""

IMPORTED = "imported"
"""The stack (and profile) of results that were measured elsewhere: never shown among what was measured here."""

Stage = Literal["samples", "resources", "load_tests", "tools"]
"""
What a run does: what everything that runs uses (first: nothing was asked of it yet), interleaved rounds of all
benchmarks, sustained loads, reference tools. Each is a group of assets.
"""

Phase = Literal["warmup", "measured"]

ServiceState = Literal["measured", "failed", "skipped"]


class Outcome(IntEnum):
    """How one call ended. Everything but OK counts as an error, and every call is kept."""

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


LEAST_CALLS = 20
"""A benchmark with fewer calls says nothing of the service."""

OUTSIDE = 0.025
"""The probability that a 95 % interval leaves beyond each of its two ends."""


def calls_needed(share: float) -> int:
    """From how many calls on a 95 % interval of a percentile exists: the first n for which share ^ n is below 0.025."""
    return math.ceil(math.log(OUTSIDE) / math.log(share))


P95_CALLS = calls_needed(0.95)
"""So many calls a p95 needs: 72."""

CLIENT_FULL = 0.9
"""A client whose process used this share of a core was the limit of what it measured, not the service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """
    How connections to a service are encrypted.

    `ca` is who must have signed its certificate (None: one whom this system trusts), `server_name` whom it must be
    for ("": the host of the address); `verify` is False where neither is checked. `certificate` and `key` are what
    we show in return. `where` is the place in the stack file that says so.
    """

    where: str
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""
    verify: bool = True

    def __str__(self) -> str:
        """What stands in reports: nothing of what the files hold, and not where they lie."""
        said = (
            "on, the certificate checked"
            if self.verify
            else "on, the certificate NOT checked (verify = false)"
        )
        return f"{said}, with a client certificate" if self.certificate else said


@dataclass(frozen=True, slots=True)
class Address:
    """
    Where a service listens: a loopback host and a port, or the path of a unix socket and no port.

    `tls` says how connections are encrypted; None: they are not.
    """

    host: str
    port: int = 0
    tls: Tls | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        if self.is_unix:
            return f"unix:{self.host}"
        # As in a URL: the colons of IPv6 are not those before the port.
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_unix(self) -> bool:
        return self.host.startswith("/")

    @property
    def url(self) -> str:
        """How clients of HTTP are told of it."""
        return f"{'https' if self.tls else 'http'}://{self}"

    @property
    def called(self) -> str:
        """What requests call it in their header Host."""
        return f"{self.tls.server_name}:{self.port}" if self.tls and self.tls.server_name else str(self)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to a service. The password is masked wherever this is shown."""

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


@dataclass(frozen=True, slots=True)
class Header:
    """What every request to an API carries. `value` is a secret, `prefix` is none ("Bearer ")."""

    prefix: str = ""
    value: str = field(default="", repr=False)


Kept = Literal["username", "password", "database"]
"""What of a service a Vault may keep, beside headers."""


Value = str | int | float | bool | None
"""What a placeholder of an operation may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """What one placeholder of an operation may hold: what the stack file lists, or what a query returns."""

    listed: Sequence[Value] = ()
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the stack file says a right answer is: how many rows, at least and at most; what it contains; its status."""

    rows: tuple[int, int] | None = None
    contains: str = ""
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnOperation:
    """
    One operation that the stack file describes.

    `name` is the operation in ids of benchmarks; it carries a digest of what is asked, so a changed question has a
    history of its own. `asked` is what is asked, in the words of the service's kind ("sql", "command", "path"), and
    `values` what its placeholders hold: "id" for "{id}", "1" for the first one of a statement.
    `users` are the user counts that it is measured with. `where` is the file and its line.
    """

    name: str
    title: str
    where: str
    asked: Mapping[str, Any] = field(repr=False)
    values: Mapping[str, Values] = field(default_factory=dict[str, Values], repr=False)
    users: tuple[int, ...] = (1,)
    writes: bool = False
    expected: Expectation = field(default_factory=Expectation)


ROUTED = "api"
"""The kind of service whose routes the stack file names; what others are asked is known."""


def kind_named(service: str, kinds: Iterable[str]) -> str | None:
    """
    Which of these kinds a service's name says, or None: a name is the kind, or the kind followed by `_name`.

    Of several that fit it is the longest: "redis_cluster" is no Redis called "cluster".
    """
    fitting = [
        kind
        for kind in kinds
        if service == kind or (service.startswith(f"{kind}_") and service[len(kind) + 1 :])
    ]
    return max(fitting, key=len, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """
    One running system, as the stack file describes it and, once started, where it is.

    `kind` names the module of `services/` that knows it; `name` is what every table calls it.
    `settings` are the server's own settings, in its own words ("shared_buffers").
    `kept` says what has to be read from a Vault before the service can be entered, `files` what from a file: by what
    it is ("password", "headers.Authorization"). `routes` are the paths that an API is asked of which nothing else is
    known, `own_operations` what the stack file has it asked beside, `headers` what every request to an API carries.
    `behind` are those of its `needs` that can be entered, known from when a session is opened.
    """

    name: str
    kind: str
    addresses: tuple[Address, ...] = ()
    credentials: Credentials | None = None
    database: str | None = None
    settings: Mapping[str, str | int | bool] = field(default_factory=dict[str, str | int | bool])
    needs: tuple[str, ...] = ()
    kept: Mapping[str, VaultField] = field(default_factory=dict[str, VaultField])
    files: Mapping[str, Path] = field(default_factory=dict[str, Path])
    routes: tuple[str, ...] = ()
    own_operations: tuple[OwnOperation, ...] = ()
    behind: tuple["Service", ...] = ()
    headers: Mapping[str, Header] = field(default_factory=dict[str, Header])

    @property
    def address(self) -> Address:
        """Where the service is asked first."""
        return self.addresses[0]

    @property
    def sent(self) -> Mapping[str, str]:
        """The headers as they are sent."""
        return {name: header.prefix + header.value for name, header in self.headers.items()}

    @property
    def where(self) -> str:
        """How messages call it: "redis at 127.0.0.1:6379"."""
        return f"{self.name} at {self.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """
    A process or container that runs with a stack: nothing is asked of it, but what it uses is read.

    Either `process` is there (the name of its program, or the path of its pid file) or `container` (name or id).
    One that is called as a service says where that service's use is read.
    """

    name: str
    category: str
    process: str | None = None
    container: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """
    The services measured together, in the order of their file.

    `managed` stacks are started and stopped by this project; others run already.
    `missing` says which services could not be started, or not be entered for want of credentials, and why.
    `vault` is the Vault that keeps credentials, if one does; `entered_with` are the secrets that it took to enter it,
    each under a name that may be told.
    `footprint` are further processes and containers whose use is read, too, and where that of a service is found.
    """

    name: str
    path: Path
    managed: bool
    services: tuple[Service, ...]
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    vault: VaultLogin | None = None
    entered_with: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    footprint: tuple["Companion", ...] = ()

    def service(self, name: str) -> Service:
        """
        The service of that name.

        Raises:
            KeyError: no service has that name.

        """
        return {service.name: service for service in self.services}[name]

    def with_behind(self, service: Service) -> Service:
        """A service of this stack with those of its needs that can be entered."""
        found = (each for each in self.services if each.name in service.needs and each.addresses)
        return replace(service, behind=tuple(each for each in found if each.name not in self.missing))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What a running service says of itself: what it truly is, its version, the settings that matter.

    `product` is for people and names what really runs: "MariaDB 10.11 (MySQL protocol)". Where another program
    answers in the place of the one that gave the protocol its name, the word "protocol" is in it.
    """

    product: str
    version: str
    settings: Mapping[str, str] = field(default_factory=dict[str, str])

    def with_settings(self, more: Mapping[str, str]) -> "Facts":
        """The same with more settings, such as those of the container that it runs in."""
        return replace(self, settings={**self.settings, **more})


@dataclass(frozen=True, slots=True)
class Load:
    """
    How an operation is driven: a closed load of `users`, each of whom waits for the answer.

    A `sustained` load runs in one uninterrupted window (a load test); others run in short slices, interleaved with
    those of every other benchmark.
    """

    users: int
    sustained: bool = False

    def __str__(self) -> str:
        return f"{'sustained' if self.sustained else 'closed'}-{self.users}"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Operation x load x instrument. Its id is stable; every comparison joins on it."""

    service: str
    operation: str
    load: Load
    instrument: Instrument

    @property
    def id(self) -> str:
        """For example `redis/get-hit/closed-10/engine`."""
        return f"{self.service}/{self.operation}/{self.load}/{self.instrument}"

    @property
    def stage(self) -> Stage:
        """The stage of a run that measures it."""
        if self.instrument not in ("engine", "driver"):
            return "tools"
        return "load_tests" if self.load.sustained else "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class SustainedLoad:
    """
    How a sustained load was driven: it was to end after `limit_calls` or `limit_s`, whichever came first.

    The users were shared among `engine_processes`, of which the busiest used `client_share` of a core (0 to 1).
    `idle_cores` is how many cores' worth of time nobody used meanwhile, None if unknown.
    """

    limit_calls: int
    limit_s: float
    engine_processes: int = 1
    client_share: float = 0.0
    idle_cores: float | None = None

    @property
    def at_limit(self) -> bool:
        """Whether the client could not have asked for much more."""
        return self.client_share >= CLIENT_FULL


@dataclass(frozen=True, slots=True)
class Throttling:
    """
    What a CPU limit did: of so many `periods` in which there was work, in how many it was stopped, and for how long.

    Counted since the beginning, and between two moments as the difference; of several containers the sum.
    """

    periods: int
    throttled_periods: int
    throttled_ns: int

    def __add__(self, other: "Throttling") -> "Throttling":
        return Throttling(
            self.periods + other.periods,
            self.throttled_periods + other.throttled_periods,
            self.throttled_ns + other.throttled_ns,
        )

    def __sub__(self, other: "Throttling") -> "Throttling":
        return Throttling(
            self.periods - other.periods,
            self.throttled_periods - other.throttled_periods,
            self.throttled_ns - other.throttled_ns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """
    One uninterrupted slice of a benchmark: every call that was made, in the order of their ends.

    `begin_ns` are offsets from `began_at_ns` (wall clock, UTC epoch); latencies come from the monotonic clock.
    `number` counts from 1; warm-ups carry the number of the round they came before.
    `elapsed_ns` is the time the calls took together; throughput is calls / elapsed.
    `placement` says on which cores client and servers ran ("together:1", "apart:1|0", "free").
    `other_cpu` is the share (0 to 1) of all cores that other processes used meanwhile, None if unknown.
    `throttling` is what CPU limits of the service did meanwhile, None where it has none that can be seen.
    `problem` is set where the round says nothing about the service ("connection lost after 12 calls").
    `sustained` says how a sustained load was driven; None for other loads and for warm-ups.
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
    throttling: Throttling | None = None
    problem: str | None = None
    sustained: SustainedLoad | None = None


ResourcePhase = Literal["idle", "load", "held"]
"""Nothing asked of it; under a sustained load; with requests held in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceReading:
    """
    What one service's whole process tree used, at one moment.

    `service` may be a node of a service ("redis_cluster/2"), a `Companion`, "host" (the whole machine), "others"
    (what of the machine neither the stack nor we used), "engine" (the process that measures) or "devperf" (the one
    that reads); `category` is how the published table groups it.
    `at_ns` is the wall clock (UTC epoch), as rounds have it; `cpu_percent` is of one core, over the `elapsed_ns`
    before that moment. What cannot be read (another user's process, no such counter) is None, never 0.
    `read_bytes` and the three after it count since the processes began; whoever ended stays counted.
    `limit_bytes` is how much memory it may have, `oom_kills` how often the kernel ended one of its processes for
    want of it: both are known of cgroups and containers only.
    `benchmark` is the id of the load that ran meanwhile, if any; `users` is how many users it had.
    `source` says where it was read: "processes", "cgroup" or "docker".
    """

    service: str
    category: str
    phase: ResourcePhase
    at_ns: int
    elapsed_ns: int
    cpu_percent: float | None
    rss_bytes: int | None
    pss_bytes: int | None
    vsz_bytes: int | None
    processes: int | None
    threads: int | None
    descriptors: int | None = None
    read_bytes: int | None = None
    written_bytes: int | None = None
    received_bytes: int | None = None
    sent_bytes: int | None = None
    limit_bytes: int | None = None
    oom_kills: int | None = None
    users: int = 0
    benchmark: str | None = None
    source: str = "processes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """
    What a reference tool says of a run of its own, where it does not give every call.

    `quantiles` maps a share (0 to 1) to nanoseconds, as the tool states them; `about` are its conditions in its own
    words ("scale", "threads", "version"). `problem` is set where the run says nothing about the service.
    """

    benchmark: Benchmark
    number: int
    began_at_ns: int
    elapsed_ns: int
    n: int
    errors: int
    throughput_per_s: float | None
    mean_ns: int | None
    quantiles: Mapping[float, int] = field(default_factory=dict[float, int])
    about: Mapping[str, str] = field(default_factory=dict[str, str])
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteAnswer:
    """
    What a route of a reference API answered before anything was measured: its status and its form.

    `route` is the title that people know it by ("GET /health/all"); `shape` maps the path of each field
    ("dependencies.vault.status") to its JSON type, and where it says how a dependency is, to that too
    ("string: healthy").
    APIs of another `family` than this project's ("devstack-core") owe its contract nothing.
    """

    route: str
    status: int
    shape: Mapping[str, str]
    family: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """
    Everything measured in one run on one infrastructure.

    `id` sorts by time: `20261125T031500Z-3f9a`.
    `forecast_s` is how long it should take from its begin to its end, as was said when its rounds began.
    `host` and `facts` are what was found when it began; `states` and `reasons` are filled when it ended.
    `operations` maps `service/operation` to the title that people know it by, `plans` to how the server said that it
    would answer (EXPLAIN).
    `answers` are those of each API's routes, by service: only who answers the same can be compared.
    `refused` says by service which rows it does not let be measured, and why; `services` are those of the stack file.
    """

    id: str
    stack: str
    profile: str
    seed: int
    began_at_ns: int
    host: Mapping[str, str]
    facts: Mapping[str, Facts]
    operations: Mapping[str, str] = field(default_factory=dict[str, str])
    plans: Mapping[str, str] = field(default_factory=dict[str, str])
    answers: Mapping[str, Sequence[RouteAnswer]] = field(default_factory=dict[str, Sequence[RouteAnswer]])
    refused: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    services: Sequence[str] = ()
    ended_at_ns: int | None = None
    forecast_s: float | None = None
    states: Mapping[str, ServiceState] = field(default_factory=dict[str, ServiceState])
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
