"""What does a report say before its first table?"""

from collections.abc import Iterable, Sequence
from statistics import median

from devperf_pipeline.report import format as show
from devperf_pipeline.report.model import Report
from devperf_pipeline.report.report_data import Part, Row, shown

_SEPARATOR = " · "
"""Between titles: some have commas of their own."""

_DISTURBED = 0.05
"""With fewer disturbed rounds than this share, nobody need measure again."""

ALL = 8_000
"""So many characters of a reason: it may be that of twenty routes, and none of them may be missing."""

_NAMED = 4
"""So many services are named in the opening; of more, the list of what ran has them."""


def opening(picture: Report) -> str:
    """One paragraph: what was measured, when, on what machine, how much of it, and what does not count."""
    run = picture.run
    new = [row for part in picture.parts for row in part.new]
    measured = [part for part in picture.parts if part.new]
    what = f"{_services(measured, picture.parts)} of the stack **{show.cell(run.stack)}**"
    sentences = [f"Measured {what} on {show.moment(run.began_at_ns)}{_took(picture)}{_machine(picture)}."]
    if new:
        sentences += [_amount(picture, new), *_lasted(new)]
    if replaced := stand_ins(picture):
        sentences.append(
            f"In another's place answered **{replaced}**: their figures are not those of the original."
        )
    sentences += [*_doubts(picture, new), *_unfinished(picture)]
    return " ".join(sentences)


def stand_ins(picture: Report) -> str:
    """What answered in the place of a service that people know ("MariaDB 10.11 for MySQL"); empty where nothing did."""
    replaced = [part for part in picture.parts if part.stand_in and part.rows]
    return ", ".join(f"{show.cell(part.stand_in)} for {show.cell(part.title)}" for part in replaced)


def missing(picture: Report) -> list[str]:
    """One sentence for each service that this baseline did not measure to the end, with the reason that was given."""
    lines = [
        f"**{show.cell(part.title)}** {absence(part)}"
        for part in picture.parts
        if part.state in {"failed", "skipped"} or not (part.new or (part.rows and not part.asked))
    ]
    others = [
        show.cell(part.title) for part in picture.parts if part.rows and not part.new and not part.asked
    ]
    if others:
        lines.append(f"Not part of this baseline, older rows below: {_SEPARATOR.join(others)}")
    return lines


def absence(part: Part) -> str:
    """Why this baseline did not measure a service, as the rest of a sentence."""
    reason = show.prose(part.reason, ALL) if part.reason else "no reason was stored."
    match part.state:
        case "failed":
            return f"failed: {reason}"
        case "skipped":
            return f"was skipped: {reason}"
        case "measured":
            return "was measured, and no benchmark of it was finished."
        case None:
            if part.asked:
                return "was not measured to the end: this baseline was cut short."
            if part.rows:
                return "was not part of this baseline; its older rows stand below."
            before = f" Last time: {show.prose(part.last_reason)}" if part.last_reason else ""
            return f"was not part of this baseline, and was never measured before.{before}"


def about(part: Part) -> str:
    """The sentence above a service's table: what really ran, and what this baseline has of it."""
    ran = f"{_ran(part)}. {_stand_in(part)}" if part.product else ""
    calls = show.count(sum(row.n for row in part.new))
    measured = f"{calls} calls in this baseline, load tests not counted."
    if part.new and (part.state == "measured" or not part.asked):
        left_out = (
            f" Left out: {show.prose(part.reason, ALL)}" if part.state == "measured" and part.reason else ""
        )
        return f"{ran}{measured}{left_out}"
    missed = f"{ran}{show.cell(part.title)} {absence(part)}"
    stop = "" if missed.endswith((".", "!", "?")) else "."
    return f"{missed}{stop} Until then: {measured}" if part.new else missed


def settings(part: Part) -> str:
    """The settings that matter, in the server's own words, as one line; empty where none are known."""
    return _SEPARATOR.join(f"{show.cell(key)} = {show.cell(value)}" for key, value in part.settings.items())


def headline(picture: Report) -> list[str]:
    """For each service the quickest and the slowest of its operations at one user, in one line."""
    lines: list[str] = []
    for part in picture.parts:
        rows = [row for row, _ in shown(part.rows) if row.valid and row.users == 1 and row.p50_ns]
        if not rows:
            continue
        # The driver's readings say something else; they stand here only where there is nothing but them.
        rows = [row for row in rows if row.instrument == "engine"] or rows
        rows.sort(key=lambda row: row.p50_ns or 0)
        quick, slow = rows[0], rows[-1]
        name = f"**{show.cell(part.title)}**" + (f" ({show.cell(part.stand_in)})" if part.stand_in else "")
        text = f"{name}: {show.cell(quick.title)} {show.duration(quick.p50_ns)}"
        lines.append(
            text + (f", {show.cell(slow.title)} {show.duration(slow.p50_ns)}" if slow is not quick else "")
        )
    return lines


def placements(picture: Report) -> list[str]:
    """Where client and servers ran, all placements of the new rows in one sentence; none without new rows."""
    where = placed((row.placement, row.users) for part in picture.parts for row in part.new)
    about = "*Placement* is a condition of a reading, never compared across. In the tables of the services"
    return [f"{about}, {where}."] if where else []


def placed(readings: Iterable[tuple[str, int]]) -> str:
    """Where client and servers ran in readings of such placements and users, as the rest of a sentence."""
    users: dict[str, set[int]] = {}
    for placement, number in readings:
        users.setdefault(placement, set()).add(number)
    return "; ".join(
        _placement(name, counts) for name, counts in sorted(users.items(), key=lambda each: min(each[1]))
    )


def _placement(name: str, counts: set[int]) -> str:
    least, most = min(counts), max(counts)
    who = f"{least} to {most} users" if least < most else "one user" if most == 1 else f"{most} users"
    kind, _, cores = name.partition(":")
    match kind:
        case "together":
            where = f"client and servers shared core {show.cell(cores)}"
        case "apart":
            client, _, servers = cores.partition("|")
            where = f"the client had core {show.cell(client)} and the servers {show.cell(servers)}"
        case "free":
            where = "the system placed client and servers as it liked"
        case _:
            where = f"the placement was {show.cell(name)}"
    return f"with {who}, {where}"


def _ran(part: Part) -> str:
    """What really ran, with its version where its name does not say it."""
    product, version = part.product or "", part.version or "unknown"
    return show.cell(product) if version in product else f"{show.cell(product)}, version {show.cell(version)}"


def _stand_in(part: Part) -> str:
    """What the figures of a program say of the one in whose place it answers."""
    if not part.stand_in:
        return ""
    title = show.cell(part.title)
    return f"It answers in the place of {title}, and its figures say nothing about {title} itself. "


def _amount(picture: Report, new: Sequence[Row]) -> str:
    """How much was measured, in all and in the rounds that the tables of the services show."""
    run = picture.run
    rounds = _between([row.rounds for row in new])
    how = f"interleaved in a random order (profile {show.cell(run.profile)}, seed {run.seed})"
    most = f"{show.count(run.calls)} calls in {_benchmarks(run.benchmarks)}, every one of them kept"
    others = run.benchmarks - len(new)
    if others <= 0:
        return f"{most}: {rounds} of each, {how}."
    what = "are load tests and runs beside reference tools" if others > 1 else "is a load test"
    return f"{most}: {len(new):,} in {rounds} each, {how}; the other {others:,} {what}."


def _lasted(new: Sequence[Row]) -> list[str]:
    """How long a benchmark was measured, all its rounds together: what says most of how far it can be believed."""
    lasted = sorted(row.elapsed_ns for row in new if row.elapsed_ns)
    if not lasted:
        return []
    middle, least = show.duration(round(median(lasted))), show.duration(lasted[0])
    if middle == least:
        return [f"**A benchmark's rounds lasted {middle} together.**"]
    return [f"**A benchmark's rounds lasted {middle} together in the median, {least} at least.**"]


def _benchmarks(number: int) -> str:
    return "1 benchmark" if number == 1 else f"{number:,} benchmarks"


def _services(measured: Sequence[Part], all_parts: Sequence[Part]) -> str:
    if not measured:
        return f"none of the {len(all_parts)} services" if all_parts else "nothing"
    names = [show.cell(part.title) for part in measured]
    named = f" ({_SEPARATOR.join(names)})" if len(names) <= _NAMED else ""
    return f"{len(measured)} of {len(all_parts)} services{named}"


def _took(picture: Report) -> str:
    run = picture.run
    if run.ended_at_ns is None:
        return ""
    return f" in {show.duration(run.ended_at_ns - run.began_at_ns)}"


def _machine(picture: Report) -> str:
    host = picture.host
    parts = [
        show.cell(host["cpu_model"]) if "cpu_model" in host else "",
        f"{show.cell(host['cpu_cores'])} cores" if "cpu_cores" in host else "",
        show.size(int(host["memory_bytes"])) if host.get("memory_bytes", "").isdecimal() else "",
        show.cell(host["os"]) if "os" in host else "",
    ]
    said = ", ".join(part for part in parts if part)
    return f", on {said}" if said else ""


def _between(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low} round{'s' if low > 1 else ''}" if low == high else f"{low} to {high} rounds"


def _doubts(picture: Report, new: Sequence[Row]) -> list[str]:
    """What a reader must know before believing the tables."""
    sentences: list[str] = []
    invalid = [row for row in new if not row.valid]
    older = [line for part in picture.parts for line, _ in shown(part.rows) if not line.is_new]
    errors = sum(row.errors for row in new)
    if invalid:
        sentences.append(
            f"Readings that do not count: {len(invalid)}; they are struck through, each with its reason."
        )
    busy, rounds = sum(row.busy_rounds for row in new), sum(row.rounds for row in new)
    if busy:
        told = f"Other processes used more than 30 % of the cores in {busy:,} of {rounds:,} rounds"
        which = "that round" if busy == 1 else "those rounds"
        if busy < _DISTURBED * rounds:
            sentences.append(f"{told}; comparisons with other baselines leave {which} out.")
        else:
            sentences.append(f"{told}: {which} measured them too. Close what else runs and measure again.")
    if errors:
        sentences.append(f"Calls that failed: {errors:,}; they are counted in their rows.")
    if older:
        sentences.append(f"Lines older than this baseline: {len(older)}; the column *age* says how old.")
    return sentences


def _unfinished(picture: Report) -> list[str]:
    if picture.run.ended_at_ns is not None:
        return []
    return ["This baseline was cut short; what it had measured until then is here."]
