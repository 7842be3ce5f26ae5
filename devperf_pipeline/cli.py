"""What can be asked for from the shell? Each command is one call."""

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from devperf_pipeline.errors import (
    AlreadyMeasuring,
    ConfigurationError,
    DevperfError,
    MeasurementError,
)
from devperf_pipeline.measure.interrupts import interrupted_once, no_more
from devperf_pipeline.measure.plan import options_of
from devperf_pipeline.measure.profile import PROFILES, profile_named
from devperf_pipeline.model import Service, Stack, Stage
from devperf_pipeline.services import CATALOGUE
from devperf_pipeline.stack.folders import Folders

if TYPE_CHECKING:
    from devperf_pipeline.services.whole_stack import PreflightResult


def say(message: str) -> None:
    """Tell what is going on, beside what was asked for."""
    click.echo(message, err=True)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Turn our errors into one paragraph and exit status 1, Ctrl-C into 130."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with interrupted_once(KeyboardInterrupt):
                function(*args, **kwargs)
        except DevperfError as error:
            click.echo(f"devperf: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            no_more()
            click.echo("devperf: interrupted; every round that had ended is kept.", err=True)
            sys.exit(130)

    return run


LONGEST_ROUND_S = 600.0

STACK = click.option(
    "--stack", default="local", show_default=True, help="A stack file: its name in stacks/, or a path."
)


@click.group()
def main() -> None:
    """Measure a development stack, keep every timing, render the baseline report."""


@main.command()
@STACK
@click.option("--profile", default="quick", show_default=True, help=f"How long: {', '.join(PROFILES)}.")
@click.option("--service", "services", multiple=True, help="Measure only this service; may be repeated.")
@click.option(
    "--seconds",
    type=float,
    help="Seconds of each round, in the place of the profile's; its other lengths in proportion.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Tell what would be created and asked, and how long it takes; create nothing.",
)
@command
def baseline(
    *, stack: str, profile: str, services: tuple[str, ...], seconds: float | None, dry_run: bool
) -> None:
    """Start what is needed, measure, derive the tables, render the report, stop what was started."""
    from devperf_pipeline.local.install import obtain, obtain_tools
    from devperf_pipeline.local.lifecycle import with_needs
    from devperf_pipeline.stack.private_folders import make_folder
    from devperf_pipeline.stack.stack_file import load_stack
    from devperf_pipeline.store.samples import SampleStore

    folders = Folders.find()
    profile_named(profile)
    described = load_stack(stack, folders, CATALOGUE)
    names = [service.name for service in described.services]
    for service in services:
        if service not in names:
            raise ConfigurationError(
                f"--service expects one of {', '.join(names)} (from {described.path}). Found {service!r}."
            )
    if seconds is not None and not 0 < seconds <= LONGEST_ROUND_S:
        raise ConfigurationError(
            f"--seconds expects the length of a round, above 0 and at most {LONGEST_ROUND_S:.0f}. Found {seconds}."
        )
    if dry_run:
        click.echo(_planned(described, folders, profile, services, seconds))
        return
    SampleStore(folders).check_writable()
    make_folder(folders.reports)
    if described.managed:
        wanted = with_needs(described, services) if services else described
        obtain(wanted, say)
        obtain_tools([tool for service in wanted.services for tool in CATALOGUE[service.kind].tools], say)

    from devperf_pipeline.defs.command_line import run_baseline
    from devperf_pipeline.report.run_progress import ending

    run_baseline(folders, described, profile=profile, services=services, seconds=seconds or 0)
    end = ending(folders)
    click.echo(end.text)
    if not end.measured:
        raise MeasurementError("no service could be measured; each line above says why")


def _planned(
    described: Stack, folders: Folders, profile: str, services: tuple[str, ...], seconds: float | None
) -> str:
    """What a baseline would do: of a stack that runs everything, of another one what would be started."""
    from devperf_pipeline.local import lifecycle
    from devperf_pipeline.measure.run import dry_run
    from devperf_pipeline.report.dry_run import planned, would_start

    running = lifecycle.as_it_is(described, folders)
    if running is None:
        wanted = lifecycle.with_needs(described, services) if services else described
        return would_start(described.name, lifecycle.would_run(wanted))
    names = services or tuple(service.name for service in running.services)
    return planned(dry_run(running, options_of(profile, dict.fromkeys(get_args(Stage), names), seconds or 0)))


@main.command()
@STACK
@command
def up(stack: str) -> None:
    """Start the servers of a stack and leave them running."""
    from devperf_pipeline.local import lifecycle
    from devperf_pipeline.local.install import obtain
    from devperf_pipeline.report import terminal
    from devperf_pipeline.stack.stack_file import load_stack

    folders = Folders.find()
    described = load_stack(stack, folders, CATALOGUE)
    if described.managed:
        obtain(described, say)
    started = lifecycle.running(described, folders) or lifecycle.up(described, folders, say)
    click.echo(terminal.listing((service.name, [_where(started, service)]) for service in started.services))


def _where(started: Stack, service: Service) -> str:
    reason = started.missing.get(service.name, "unknown")
    return ", ".join(map(str, service.addresses)) or f"not started: {reason}"


@main.command()
@command
def down() -> None:
    """Stop every server that this project started, and the Dagster UI, also after a kill."""
    from devperf_pipeline.defs import ui as dagster_ui
    from devperf_pipeline.local import lifecycle

    folders = Folders.find()
    stopped = lifecycle.down_all(folders)
    dagsters = dagster_ui.stop(folders)
    click.echo(f"stopped: {', '.join(stopped) or 'no server'}; {dagsters or 'no'} Dagster processes")


@main.command()
@STACK
@command
def clean(stack: str) -> None:
    """Remove everything of ours from a stack that runs, after a baseline that was killed."""
    from devperf_pipeline.local import lifecycle
    from devperf_pipeline.measure.lock import only_one
    from devperf_pipeline.services.whole_stack import clean as remove_ours
    from devperf_pipeline.stack.stack_file import load_stack

    folders = Folders.find()
    described = load_stack(stack, folders, CATALOGUE)
    running = lifecycle.as_it_is(described, folders)
    if running is None:
        click.echo(f"{described.name} does not run: its servers and their data are gone.")
        return
    left = 0
    with only_one(wait_s=0):
        for service, problem in remove_ours(running):
            left += problem is not None
            click.echo(f"{service:<17} {problem or 'nothing of ours is left'}")
    if left:
        raise MeasurementError(f"{left} services could not be cleaned; each line above says why")


@main.command()
@STACK
@click.option("--get", is_flag=True, help="Get the servers that are missing, where that needs no password.")
@command
def doctor(stack: str, *, get: bool) -> None:
    """Say service by service whether it can be measured, what it is, and what would disturb a measurement."""
    from devperf_pipeline.local import lifecycle
    from devperf_pipeline.local.install import find_server, how_to_get, obtain
    from devperf_pipeline.measure.containers import Containers
    from devperf_pipeline.report import terminal
    from devperf_pipeline.services.whole_stack import run_preflight
    from devperf_pipeline.stack.stack_file import load_stack

    folders = Folders.find()
    described = load_stack(stack, folders, CATALOGUE)
    if get:
        obtain(described, say)
    running = lifecycle.as_it_is(described, folders)
    if running is None:
        click.echo(
            f"{described.name} does not run. devperf up --stack {stack} starts it, with these programs:"
        )
        ways = {
            service.name: find_server(service.kind) or f"missing. To get it: {how_to_get(service.kind)}"
            for service in described.services
        }
        click.echo(terminal.listing((name, [told]) for name, told in ways.items()))
        return
    checked = run_preflight(running)
    containers = Containers(running, {})
    click.echo(
        terminal.listing(
            (one.service.name, list(_told(one, containers.facts(one.service.name)))) for one in checked
        )
    )


@main.command(name="try")
@STACK
@click.argument("title")
@command
def try_once(stack: str, title: str) -> None:
    """Ask an operation of the stack file once, by its title: show the answer, its rows and its time. It changes nothing."""
    from devperf_pipeline.local import lifecycle
    from devperf_pipeline.report.format import duration
    from devperf_pipeline.services.whole_stack import ask_once
    from devperf_pipeline.stack.stack_file import load_stack

    folders = Folders.find()
    described = load_stack(stack, folders, CATALOGUE)
    running = lifecycle.as_it_is(described, folders)
    if running is None:
        raise ConfigurationError(f"{described.name} does not run. Start it first: devperf up --stack {stack}")
    refused = 0
    for service, own, answer in ask_once(running, title):
        click.echo(f"{service.name}: {own.title} ({own.where})")
        if isinstance(answer, str):
            refused += 1
            click.echo(f"  {answer}")
            continue
        for line in answer.lines:
            click.echo(f"  {line}")
        rows = "" if answer.rows is None else f"{answer.rows:,} row{'s' * (answer.rows != 1)} in "
        click.echo(f"  {rows}{duration(answer.took_ns)}")
    if refused:
        raise MeasurementError("it is not answered; the lines above say why")


def _told(checked: "PreflightResult", container: Mapping[str, str]) -> Iterator[str]:
    """The lines of one service: what it is, the settings that matter, its container, what would disturb a measurement."""
    facts, where = checked.facts, ", ".join(map(str, checked.service.addresses))
    yield f"{facts.product} at {where}" if facts else str(checked.problem)
    if facts and facts.settings:
        yield ", ".join(f"{name}={value}" for name, value in facts.settings.items())
    if container:
        yield ", ".join(f"{name}={value}" for name, value in container.items())
    yield from (f"! {warning}" for warning in checked.warnings)


@main.command()
@click.argument("baseline_id", required=False)
@command
def report(baseline_id: str | None) -> None:
    """Render the report of a baseline (the newest, if none is named) from the tables."""
    from devperf_pipeline.report.render import render

    rendered = render(Folders.find(), baseline_id)
    click.echo(rendered.report)


@main.command(name="import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@command
def import_results(files: tuple[Path, ...]) -> None:
    """
    Import results of ab, wrk, h2load, pgbench, redis-benchmark, sysbench, hey, autocannon or mysqlslap.

    They become one baseline of the stack "imported", never shown among what was measured here. All files or none.
    """
    from devperf_pipeline.measure.tools import importing
    from devperf_pipeline.store.import_baseline import beside
    from devperf_pipeline.store.samples import SampleStore
    from devperf_pipeline.store.warehouse import build

    folders = Folders.find()
    understood = [importing.understand(path) for path in files]
    store = SampleStore(folders)
    store.check_writable()
    known = {digest for baseline in store.finished() for digest in importing.digests(baseline)}
    fresh, baseline = importing.without_known(understood, known), None
    if fresh:
        with beside(folders) as own:
            baseline = importing.keep(fresh, own)
        for problem in build(folders).said:
            say(problem)
    for file in understood:
        again = "" if file in fresh else "; imported before, nothing taken"
        calls = sum(len(one.calls.latency_ns) for one in file.results if one.calls)
        what = f"{calls:,} calls" if calls else f"{len(file.results)} stated"
        click.echo(f"{file.name}: {file.form.title}, {what}{again}")
    if baseline:
        click.echo(
            f"Baseline {baseline.id} of the stack {baseline.stack!r}: in the tables stated and percentiles"
        )


@main.command()
@click.argument("baseline_id", required=False)
@command
def coverage(baseline_id: str | None) -> None:
    """Say which cells of the published baseline a baseline (the newest, if none is named) fills, and why not the others."""
    from devperf_pipeline.report import coverage as page

    click.echo(page.coverage(Folders.find(), baseline_id))


@main.command()
@click.argument("question")
@click.option("--csv", "as_csv", is_flag=True, help="All rows, as CSV.")
@command
def sql(question: str, *, as_csv: bool) -> None:
    """Ask the tables a question in SQL (DuckDB's), for example: devperf sql "from slowest(5)"."""
    from devperf_pipeline.report import terminal
    from devperf_pipeline.store.question import ask
    from devperf_pipeline.store.warehouse import connect

    with connect(Folders.find()) as con:
        answer = ask(con, question)
        if as_csv:
            for line in terminal.csv_lines(answer.columns, answer.rows):
                click.echo(line)
        else:
            click.echo(terminal.table(answer.columns, answer.rows))


@main.command()
@command
def rebuild() -> None:
    """Derive data/devperf.duckdb again from every sample."""
    from devperf_pipeline.measure.lock import only_one
    from devperf_pipeline.store.samples import SampleStore
    from devperf_pipeline.store.warehouse import rebuild as build_anew

    folders = Folders.find()
    try:
        # To whoever does not hold the lock, the rounds of a run under way look like what a crash left.
        with only_one(wait_s=0):
            for message in SampleStore(folders).recover():
                say(message)
    except AlreadyMeasuring:
        say("A baseline is being measured; its rounds come into the tables when it ends.")
    built = build_anew(folders)
    for message in built.said:
        say(message)
    click.echo(
        f"{folders.warehouse}: {built.samples:,} samples of {built.baselines} baselines in {built.seconds:.1f} s"
    )


@main.command()
@click.option(
    "--port",
    default=3000,
    type=click.IntRange(1, 65535),
    show_default=True,
    help="Where the UI listens, on 127.0.0.1.",
)
@command
def ui(port: int) -> None:
    """Start the Dagster UI and its daemon, on the same home that the command line uses."""
    from devperf_pipeline.defs.ui import serve

    serve(Folders.find(), port, say)
