"""What does a dry run tell?"""

from collections.abc import Iterator, Mapping, Sequence

from devperf_pipeline.measure.forecast import forecast
from devperf_pipeline.measure.plan import Plan
from devperf_pipeline.measure.recorder import CAPACITY
from devperf_pipeline.measure.steps import BenchmarkStep, Cost, SweepStep, together
from devperf_pipeline.measure.tools.steps import NotRun, ToolPlan
from devperf_pipeline.report import format as show


def planned(plan: Plan) -> str:
    """Every object that would be made, how often each benchmark asks, and how long it all takes."""
    profile, each = plan.profile, _time(plan.profile.seconds)
    lines = [
        f"Profile {profile.name}: {profile.rounds} rounds of {each} for each of {len(plan.samples)} benchmarks.",
        f"Takes {_takes(plan.samples)}. Nothing was created.",
        _besides(plan),
        "",
    ]
    for service in plan.services:
        lines += [service, *(f"  {line}" for line in _service(plan, service)), ""]
    lines.append(
        f"Benchmarks that consume nothing make as many calls as are answered in their seconds, {CAPACITY:,} a round at "
        "most. Before a round our data is made ready, as much as it will consume, and removed at the end."
    )
    return "\n".join(lines)


def would_start(stack: str, told: Mapping[str, Mapping[str, str]]) -> str:
    """What would be started of a stack that does not run: its services, their programs and settings."""
    lines = [f"The stack {stack} does not run. These servers would be started on free loopback ports:", ""]
    for service, facts in told.items():
        lines.append(service)
        lines += [f"  {name}: {value}" for name, value in facts.items() if not name.startswith("source ")]
    lines += [
        "",
        "Nothing was started. What would be created in them, and how long it takes, is told of a stack that runs:",
        f"devperf up --stack {stack}, then this again.",
    ]
    return "\n".join(lines)


def _besides(plan: Plan) -> str:
    """What a run does besides its benchmarks, all services together, and how long everything takes."""
    sweeps, tools = together(step.cost for step in plan.sweeps), together(each.cost for each in plan.tools)
    parts: list[str] = []
    if "resources" in plan.stages:
        parts.append(f"{_time(plan.profile.idle_s)} in which nothing is asked")
    if plan.in_flight:
        users = max(step.users[-1] for step in plan.in_flight)
        parts.append(f"up to {users} requests in flight at each API at the same time while memory is read")
    if plan.sweeps:
        parts.append(
            f"load tests, one service at a time ({_time(sweeps.measured_s)}, at most {_time(sweeps.longest_s)})"
        )
    if tools.measured_s:
        parts.append(f"reference tools ({_time(tools.measured_s)} and their start-ups)")
    whole = f"All of it takes about {forecast(plan)}."
    return f"Besides, not in these figures: {'; '.join(parts)}. {whole}" if parts else whole


def _service(plan: Plan, service: str) -> Iterator[str]:
    if service in plan.problems:
        yield f"would not be measured: {show.plain(plan.problems[service], 600)}"
        return
    samples = [step for step in plan.samples if step.benchmark.service == service]
    tools = [each for each in plan.tools if each.service.name == service]
    for name in [*plan.objects[service], *(name for each in tools for name in each.objects)]:
        yield f"creates and removes: {name}"
    for title, why in plan.unmeasurable[service].items():
        yield f"not measured: {title}: {show.plain(why, 600)}"
    for step in samples:
        yield f"{step.benchmark.id}: {_step(step.cost)}"
    if samples:
        yield f"together: {_takes(samples)}"
    for step in plan.in_flight:
        if step.service == service:
            yield f"memory per request: up to {step.users[-1]} requests in flight"
    for sweep in plan.sweeps:
        if sweep.service.name == service and sweep.points:
            yield _sweep(sweep)
    for each in tools:
        yield from _tools(each)


def _step(cost: Cost) -> str:
    calls = "" if cost.most_calls is None else f", at most {cost.most_calls:,} calls, warm-up included"
    return f"{_seconds(cost)}{calls}"


def _sweep(sweep: SweepStep) -> str:
    users = ", ".join(str(point.benchmark.load.users) for point in sweep.points)
    return f"load tests of {users} users: {_seconds(sweep.cost)}, at most {sweep.cost.most_calls:,} calls"


def _seconds(cost: Cost) -> str:
    return f"{cost.measured_s:g} s measured, {cost.longest_s:.1f} s at most with warm-up"


def _tools(plan: ToolPlan) -> Iterator[str]:
    if plan.tools:
        cost = plan.cost
        calls = f", at most {cost.most_calls:,} calls of runs that calls end" if cost.most_calls else ""
        yield (
            f"tools: {', '.join(plan.tools)}, in alternation with the engine: about {cost.measured_s:g} s measured{calls}"
        )
    refused = (step for step in plan.steps if isinstance(step, NotRun))
    for tool, why in dict.fromkeys((step.benchmark.instrument, step.why) for step in refused):
        yield f"not asked with {tool}: {show.plain(why, 600)}"


def _takes(steps: Sequence[BenchmarkStep]) -> str:
    cost = together(step.cost for step in steps)
    return (
        f"about {_time(cost.expected_s)}, at most {_time(cost.longest_s)}; at most {cost.most_calls:,} calls that "
        "consume something"
    )


def _time(seconds: float) -> str:
    return show.duration(round(seconds * 1e9))
