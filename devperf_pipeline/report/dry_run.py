"""What does a dry run tell?"""

from collections.abc import Mapping, Sequence

from devperf_pipeline.measure.dry_run import Asked, Foreseen
from devperf_pipeline.measure.plan import Profile
from devperf_pipeline.measure.recorder import CAPACITY
from devperf_pipeline.report import format as show


def foresight(profile: Profile, foreseen: Sequence[Foreseen]) -> str:
    """Every object that would be made, how often each benchmark asks, and how long it all takes."""
    asked = [each for service in foreseen for each in service.benchmarks]
    lines = [
        f"Profile {profile.name}: {profile.rounds} rounds of {show.duration(_ns(profile.seconds))} for each of {len(asked)} benchmarks.",
        f"Takes {_takes(asked)}. Nothing was created.",
        _besides(profile, foreseen),
        "",
    ]
    for service in foreseen:
        lines += [service.service, *(f"  {line}" for line in _service(service)), ""]
    lines.append(
        f"Benchmarks that consume nothing make as many calls as are answered in their seconds, {CAPACITY:,} a round at "
        "most. Beside them our data is laid in before, as much as will be consumed, and removed at the end."
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


def _besides(profile: Profile, foreseen: Sequence[Foreseen]) -> str:
    """What a baseline does besides its benchmarks, all services together."""
    at_rest = f"{show.duration(_ns(profile.idle_s))} in which nothing is asked"
    held = max((service.held for service in foreseen), default=0)
    swept = [service.swept for service in foreseen if service.swept]
    tools_s = sum(service.tools.measured_s for service in foreseen)
    parts = [at_rest]
    if held:
        parts.append(f"up to {held} requests held open at each API at the same time while memory is read")
    if swept:
        asked, longest = sum(one.measured_s for one in swept), sum(one.longest_s for one in swept)
        parts.append(
            f"load tests, one service at a time ({show.duration(_ns(asked))}, at most {show.duration(_ns(longest))})"
        )
    if tools_s:
        parts.append(f"reference tools ({show.duration(_ns(tools_s))} and their start-ups)")
    return f"Besides, in none of these figures: {'; '.join(parts)}."


def _service(service: Foreseen) -> list[str]:
    if service.problem is not None:
        return [f"would not be measured: {show.plain(service.problem, 600)}"]
    return [
        *(f"creates and removes: {each}" for each in service.objects),
        *map(_benchmark, service.benchmarks),
        f"together: {_takes(service.benchmarks)}",
        *_stages(service),
    ]


def _stages(service: Foreseen) -> list[str]:
    """What a service is asked beside its benchmarks."""
    lines: list[str] = []
    if service.held:
        lines.append(f"memory per request: up to {service.held} requests held open")
    if service.swept:
        swept = service.swept
        lines.append(
            f"load tests of {', '.join(map(str, swept.users))} users: {swept.measured_s:g} s measured, "
            f"{swept.longest_s:.1f} s at most with warm-up, at most {swept.most_calls:,} calls"
        )
    if service.tools.tools:
        bounded = (
            f", at most {service.tools.most_calls:,} calls of runs that calls end"
            if service.tools.most_calls
            else ""
        )
        lines.append(
            f"tools: {', '.join(service.tools.tools)}, in alternation with the engine: "
            f"about {service.tools.measured_s:g} s measured{bounded}"
        )
    return lines


def _benchmark(asked: Asked) -> str:
    calls = "" if asked.most_calls is None else f", at most {asked.most_calls:,} calls, warm-up included"
    return f"{asked.benchmark}: {asked.measured_s:g} s measured, {asked.longest_s:.1f} s at most with warm-up{calls}"


def _takes(asked: Sequence[Asked]) -> str:
    expected = show.duration(_ns(sum(each.expected_s for each in asked)))
    longest = show.duration(_ns(sum(each.longest_s for each in asked)))
    most = sum(each.most_calls or 0 for each in asked)
    return f"about {expected}, at most {longest}; at most {most:,} calls that consume something"


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
