"""The command line. Whatever is slow to import is imported inside the command that needs it."""

import errno
import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

if TYPE_CHECKING:
    from goodminima.experiments.experiment import Experiment
    from goodminima.run import AbstractExecutor, Failed, Group, RunReport, Store

DESCRIPTION = """Why do the minima that training finds generalise, when others that fit the same data do not?

For example: goodminima run chiang2023/table2 --scale smoke"""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)  # of a disk, none of which is a mistake in what was typed
STORE = "sqlite:///goodminima.db"  # that of goodminima.run.store, which would cost --help the import of a database

Name = Positional[
    Annotated[
        str, arg(metavar="NAME", help="The experiment, as `goodminima list` names it; `PAPER/all` for all of it.")
    ]
]
ScaleName = Annotated[str, arg(metavar="smoke|laptop|paper", help="How much runs: seconds, minutes, or as published.")]
Data = Annotated[
    str | None,
    arg(metavar="NAME|FOLDER", help="Images: `digits`, `mnist`, ..., or a folder. The experiment's own by default."),
]
Seed = Annotated[int, arg(metavar="S", help="Together with a replicate's number it decides all its randomness.")]
StoreUrl = Annotated[str, arg(metavar="URL", help="Where results are kept: a database URL, or a file for SQLite.")]
Device = Annotated[str, arg(metavar="D", help="Where tensors live: `cpu` or `cuda`.")]
Json = Annotated[bool, arg(help="Print records for other programs instead: one JSON array.")]


def list_experiments(*, store: StoreUrl = STORE, json: Json = False) -> None:
    """List the experiments, their papers, and how much runs at each scale.

    For example: goodminima list --json
    """
    from goodminima.experiments.catalogue import EXPERIMENTS

    if json:
        from goodminima.report.records import catalogue_records

        _print_json(catalogue_records(EXPERIMENTS, _existing(store)))
        return
    for experiment in EXPERIMENTS:
        data = f", on {experiment.data} by default" if experiment.data else ", on toy data"
        print(f"{experiment.name}: {experiment.title} ({experiment.source}{data})")
        sizes = (f"{name} {_size(experiment, name)}" for name in experiment.scales)
        print(f"  {'; '.join(sizes)}")


def run(
    name: Name,
    *,
    scale: ScaleName = "laptop",
    data: Data = None,
    replicates: Annotated[int | None, arg(metavar="N", help="How many per cell. The scale's own by default.")] = None,
    seed: Seed = 0,
    store: StoreUrl = STORE,
    device: Device = "cpu",
    only: Annotated[str | None, arg(metavar="CELL", help="One cell, or a pattern such as 'n=4/*'.")] = None,
    fresh: Annotated[
        bool, arg(help="Forget what is stored of these cells first, and the trainings that entries share.")
    ] = False,
    workers: Annotated[int | None, arg(metavar="W", help="Processes. As many as there are cores by default.")] = None,
) -> None:
    """Run an experiment and show its table. What the store holds already is not run again.

    For example: goodminima run chiang2023/table2 --scale smoke --data digits
    """
    from goodminima.run import Store
    from goodminima.run import forget as forget_experiment

    experiments, opened = _find_all(name), Store(store)
    _check_shared_options(experiments, data=data, only=only)
    shared = {"scale": scale, "seed": seed, "device": device, "only": only}
    asked = [{**shared, "data": data if each.data or len(experiments) == 1 else None} for each in experiments]
    if fresh:  # all of them before any runs: entries of a paper share trainings
        for experiment, options in zip(experiments, asked, strict=True):
            forget_experiment(experiment, store=opened, **options)
    failures = 0
    for experiment, options in zip(experiments, asked, strict=True):
        failures += _run_one(experiment, opened, workers, replicates=replicates, **options)
    print(f"The results are in {opened}")
    sys.exit(1 if failures else 0)


def show(
    name: Name,
    *,
    scale: Annotated[str | None, arg(metavar="smoke|laptop|paper", help="Only this scale.")] = None,
    data: Annotated[str | None, arg(metavar="NAME|FOLDER", help="Only these data.")] = None,
    seed: Annotated[int | None, arg(metavar="S", help="Only this seed.")] = None,
    store: StoreUrl = STORE,
    json: Json = False,
) -> None:
    """Show what a store holds of an experiment: one table per scale, data, seed and device.

    For example: goodminima show chiang2023/table2 --scale laptop --json
    """
    from goodminima.report.records import records_of
    from goodminima.run import Store, load_results

    experiments, opened = _find_all(name), Store(store, create=False)
    groups = _groups(opened, name, experiments, scale=scale, data=data, seed=seed)
    if json:
        tables = (load_results(opened, experiment, group=group) for experiment, group in groups)
        _print_json([record for results in tables for record in records_of(results)])
    else:
        _print_tables(opened, groups)


def report(
    *,
    store: StoreUrl = STORE,
    out: Annotated[Path, arg(metavar="DIR", help="The folder to write.")] = Path("report"),
) -> None:
    """Write a folder of Markdown and pictures on everything a store holds.

    For example: goodminima report --out report
    """
    from goodminima.report.markdown import write_report
    from goodminima.run import BadOption, Store

    opened = Store(store, create=False)
    try:
        index = write_report(opened, out)
    except OSError as error:
        reason = error.strerror or error
        if error.errno in FULL:
            _fail(
                f"--out {out}: not complete, cannot be written ({reason}); once there is room, run this again", code=1
            )
        raise BadOption("out", out, f"cannot be written ({reason}); name another folder") from error
    print(f"The report is {index}")


def doctor() -> None:
    """Tell what is installed and how fast it can be here: the first thing to look at, and to send along with a bug.

    For example: goodminima doctor
    """
    from goodminima.core.files import cache_file
    from goodminima.population import native
    from goodminima.run.executors import available_cores
    from goodminima.run.provenance import revision, versions

    compiled = native.available()
    facts = {
        **versions(),
        "revision": revision(),
        "cores": available_cores(),
        "compiled kernel": native.instruction_set() if compiled else f"not in use: {native.unavailable_reason()}",
        "cache": cache_file("any").parent,
        "store": f"{STORE} (in the working folder)",
        "trainings": "goodminima.trainings (beside the store)",
    }
    for fact, value in facts.items():
        print(f"{fact:<16}{value}")


def version() -> None:
    """Print the version.

    For example: goodminima version
    """
    from importlib.metadata import version as version_of

    print(version_of("goodminima"))


COMMANDS: Mapping[str, Callable[..., None]] = {
    "list": list_experiments,
    "run": run,
    "show": show,
    "report": report,
    "doctor": doctor,
    "version": version,
}


def main() -> None:
    """Does what the command line says; ends with 2 after a mistake in it, with 1 after a fault, with 130 after Ctrl-C."""
    if sys.stdout is None:  # closed by the shell
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives
    try:
        try:
            tyro.extras.subcommand_cli_from_dict(
                dict(COMMANDS),
                prog="goodminima",
                description=DESCRIPTION,
                config=(FlagCreatePairsOff,),
            )
        finally:
            sys.stdout.flush()  # here, where a failure can still be told in a line
    except ValueError as error:
        _fail(_mistake(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # whoever reads, `head` say, has enough
        _leave_stdout()
    except Exception as error:
        _fail(_fault(error), code=1)


def _mistake(error: ValueError) -> str:
    """The one line to show for what was asked wrongly; any other error is one of ours, and is raised on."""
    from goodminima.run.options import BadOption

    if isinstance(error, BadOption):
        return f"--{error.option} {error.value}: {error.problem}"
    from goodminima.tasks import DataError

    if isinstance(error, DataError):
        return f"--data: {error}"
    raise error


def _fault(error: Exception) -> str:
    """The one line to show where the store or stdout failed; any other error is one of ours, and is raised on."""
    from goodminima.run import StoreFailed

    if isinstance(error, StoreFailed):
        return str(error)
    if isinstance(error, OSError) and error.errno in FULL and not _stdout_takes_a_line():
        _leave_stdout()
        return f"the output cannot be written ({error.strerror})"
    raise error


def _stdout_takes_a_line() -> bool:
    try:
        os.write(sys.stdout.fileno(), b"\n")
    except OSError:
        return False
    return True


def _leave_stdout() -> None:
    """Python must not try to write the rest at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _find_all(name: str) -> "tuple[Experiment, ...]":
    from goodminima.run import find_experiments

    try:
        return find_experiments(name)
    except ValueError as error:
        _fail(str(error))


def _check_shared_options(experiments: "Sequence[Experiment]", *, data: str | None, only: str | None) -> None:
    """Several experiments share the data, where any of them takes data, but not the names of their cells."""
    from goodminima.run import BadOption

    if len(experiments) == 1:
        return
    if only is not None:
        raise BadOption("only", only, "names cells of one experiment; name that instead of all of a paper")
    if data is not None and not any(experiment.data for experiment in experiments):
        raise BadOption("data", data, "these experiments make their own toy data; leave this option out")


def _run_one(experiment: "Experiment", store: "Store", workers: int | None, **asked: Any) -> int:
    """Runs one experiment, shows its table, and returns how many replicates failed; Ctrl-C ends the program."""
    from goodminima.run import RunInterrupted, RunStopped
    from goodminima.run import run as run_experiment
    from goodminima.run.live import LiveLine

    try:
        with LiveLine() as live:
            report = run_experiment(experiment, store=store, executor=_executor(workers), observer=live, **asked)
    except RunInterrupted as interrupted:
        _tell_failures(interrupted.report.failures, store)
        _fail(f"Stopped; {_how_far(interrupted.report)}. To go on: {_same()}", code=130)
    except RunStopped as stopped:
        _tell_failures(stopped.report.failures, store)
        _fail(f"{stopped.failure}; {_how_far(stopped.report)}. To go on once that is mended: {_same()}", code=1)
    _print_tables(store, [(experiment, report.group)])
    _tell_failures(report.failures, store)
    return len(report.failures)


def _executor(workers: int | None) -> "AbstractExecutor":
    from goodminima.run import BadOption, InlineExecutor, ProcessExecutor

    if workers is not None and workers < 1:
        raise BadOption("workers", workers, "at least 1 is needed")
    executor = ProcessExecutor(workers)
    return executor if executor.slots > 1 else InlineExecutor()


def _existing(url: str) -> "Store | None":
    """The store, or None where the default one has not been made yet."""
    from goodminima.run import Store

    return None if url == STORE and not Path("goodminima.db").exists() else Store(url, create=False)


def _groups(
    store: "Store",
    name: str,
    experiments: "Sequence[Experiment]",
    *,
    scale: str | None,
    data: str | None,
    seed: int | None,
) -> "list[tuple[Experiment, Group]]":
    from goodminima.run import BadOption
    from goodminima.run.request import data_name, known_scale

    asked: dict[str, Any] = {
        "scale": None if scale is None else known_scale(scale),
        "data": None if data is None else data_name(data),
        "seed": seed,
    }
    asked = {option: value for option, value in asked.items() if value is not None}
    fitting = [group for group in store.groups() if all(getattr(group, key) == asked[key] for key in asked)]
    groups = [(each, group) for each in experiments for group in fitting if group.experiment == each.name]
    if not groups:
        wanted = ", ".join([f"experiment {name}", *(f"{option} {value}" for option, value in asked.items())])
        raise BadOption("store", store, f"holds nothing of {wanted}; `goodminima run {name}` fills it")
    return groups


def _print_tables(store: "Store", groups: "Sequence[tuple[Experiment, Group]]") -> None:
    from rich.console import Console

    from goodminima.report.render import print_table
    from goodminima.report.tables import tables_of
    from goodminima.run import load_results

    console = Console(width=None if sys.stdout.isatty() else 150)  # a file has no width of its own
    for experiment, group in groups:
        for table in tables_of(load_results(store, experiment, group=group)):
            print_table(table, console)


def _print_json(records: list[dict[str, Any]]) -> None:
    import json

    print(json.dumps(records, indent=1))


def _size(experiment: "Experiment", scale: str) -> str:
    cells = experiment.cells_at(scale)
    counts = {experiment.scales[scale].count(cell.name) for cell in cells}
    replicates = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{min(counts)}"
    return f"{len(cells)} cell{'s' * (len(cells) != 1)} x {replicates}"


def _how_far(report: "RunReport") -> str:
    return f"{report.stored} of {report.wanted} replicates are stored"


def _same() -> str:
    """What was typed, to go on with: nothing is forgotten a second time."""
    return shlex.join(["goodminima", *(word for word in sys.argv[1:] if word != "--fresh")])


def _tell_failures(failures: Sequence["Failed"], store: "Store") -> None:
    """One line about the first failure; the tracebacks of all go into a file beside the store."""
    if not failures:
        return
    log = Path(f"{store.file or 'goodminima'}.errors.log")
    try:
        log.write_text("\n".join(f"{each.unit}: {each.error}\n{each.traceback}" for each in failures), encoding="utf-8")
        where = f"tracebacks in {log}"
    except OSError as error:
        where = f"tracebacks cannot be written to {log}: {error.strerror}"
    first = failures[0]
    others = f" and {len(failures) - 1} others" if len(failures) > 1 else ""
    _tell(f"failed: {first.unit}: {first.error}{others} ({where})")


def _tell(line: str) -> None:
    with suppress(OSError):  # where stderr is a file on the same full disk, the exit code is all that can be told
        print(f"goodminima: {line}", file=sys.stderr)


def _fail(line: str, *, code: int = 2) -> NoReturn:
    _tell(line)
    sys.exit(code)
