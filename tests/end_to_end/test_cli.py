"""The command line as a person meets it: in a process of its own, but where only its words count.

A process takes seconds to import what it needs; so mistakes, and commands that show what a run stored, are given to `main`.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from goodminima.cli import main
from processes import environment, output_of

TOY = "toy_experiment:TOY"


def _hear_ctrl_c() -> None:
    """A shell has its background jobs ignore Ctrl-C, and the tests may be one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*words: str, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "goodminima", *words]
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command, cwd=folder, env=environment(), text=True, stdout=pipe, stderr=pipe, start_new_session=True,
        preexec_fn=_hear_ctrl_c,  # noqa: PLW1509 - no thread of ours holds a lock here
    )  # fmt: skip


def goodminima(*words: str, folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    process = start(*words, folder=folder)
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def on_small_disk(room: int, *words: str, folder: Path) -> tuple[int, str, str]:
    """As `goodminima`, with no file larger than `room` bytes, which is how a full disk looks without root."""
    code = (
        "import resource, sys; from goodminima.cli import main\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))\n"
        f"sys.argv = ['goodminima', *{words}]\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, cwd=folder, env=environment(), text=True, capture_output=True
    )
    return done.returncode, done.stdout, done.stderr


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """As `goodminima` in the folder of the test, but in this process."""

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["goodminima", *words])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


def stored(folder: Path) -> int:
    """Replicates in the default store; 0 while it is not there."""
    if not (folder / "goodminima.db").exists():
        return 0
    with closing(sqlite3.connect(folder / "goodminima.db", timeout=20)) as connection:
        try:
            return connection.execute("SELECT count(*) FROM replicates").fetchone()[0]
        except sqlite3.OperationalError:  # the tables are not there yet
            return 0


def wait_for_more_than(count: int, *, folder: Path) -> None:
    deadline = time.time() + 60
    while stored(folder) <= count and time.time() < deadline:
        time.sleep(0.02)
    assert stored(folder) > count


@pytest.mark.parametrize("words", [[], ["run"], ["list"], ["show"], ["report"], ["doctor"], ["version"]])
def test_help_is_quick_and_gives_an_example(words: list[str]):
    heavy = ("torch", "matplotlib", "sqlalchemy", "numpy", "rich.live")
    code = (
        "import sys; from goodminima.cli import main\n"
        f"sys.argv = ['goodminima', *{words}, '--help']\n"
        "try: main()\n"
        f"finally: print('LOADED', *(name for name in {heavy} if name in sys.modules))"
    )
    out = output_of(code)
    assert "For example: goodminima" in out
    assert out.splitlines()[-1].strip() == "LOADED"


def test_a_run_ends_with_the_table_and_where_the_store_is(tmp_path: Path):
    code, out, err = goodminima("run", TOY, "--scale", "smoke", "--workers", "1", folder=tmp_path)
    assert (code, err) == (0, "")
    assert "A toy table" in out
    assert "(2 of 3)" in out
    assert out.splitlines()[-1] == "The results are in goodminima.db"
    code, out, err = goodminima("run", TOY, "--scale", "smoke", "--workers", "1", folder=tmp_path)
    assert code == 0
    assert err == "9 of 9 replicates are in the store already: skipped\n"


def test_show_and_list_give_records(here: Command):
    here("run", TOY, "--scale", "smoke", "--workers", "1")
    code, out, _ = here("show", TOY, "--json")
    records = json.loads(out)
    assert code == 0
    assert [record["measure"] for record in records] == ["low", "high"] * 3
    assert all(record["replicates"] == 3 for record in records)
    code, out, _ = here("list", "--json")
    names = {record["experiment"] for record in json.loads(out)}
    assert code == 0
    assert "chiang2023/table2" in names


def test_a_report_is_written(tmp_path: Path, here: Command):
    here("run", TOY, "--scale", "smoke", "--workers", "1", "--store", "some/where.db")
    code, out, _ = here("report", "--store", "some/where.db", "--out", "here")
    assert (code, out) == (0, "The report is here/README.md\n")
    assert (tmp_path / "here" / "README.md").read_text().count("A toy table") == 1


def test_doctor_and_version(tmp_path: Path):
    code, out, _ = goodminima("doctor", folder=tmp_path)
    assert code == 0
    for word in ("torch", "cores", "compiled kernel", "cache", "store", "trainings"):
        assert word in out
    code, out, _ = goodminima("version", folder=tmp_path)
    assert code == 0
    assert out[0].isdigit()
    assert list(tmp_path.iterdir()) == []


def test_a_failed_replicate_is_named_in_one_line_and_its_traceback_kept(tmp_path: Path):
    code, out, err = goodminima("run", "toy_experiment:FAILING", "--scale", "smoke", "--workers", "1", folder=tmp_path)
    assert code == 1
    assert "A toy table" in out
    assert err == (
        "goodminima: failed: toy_experiment:FAILING n=2/a replicate 1: RuntimeError: the toy broke "
        "(tracebacks in goodminima.db.errors.log)\n"
    )
    assert "run_cell_failing" in (tmp_path / "goodminima.db.errors.log").read_text()


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["run", "chiang2023/tabel2"], ["chiang2023/tabel2", "did you mean 'chiang2023/table2'?"]),
        (["run", TOY, "--scale", "lptop"], ["--scale lptop", "did you mean 'laptop'?"]),
        (["run", TOY, "--only", "n=3/a"], ["--only n=3/a", "Choose from: n=2/a, n=2/b, n=4/a"]),
        (["run", TOY, "--replicates", "0"], ["--replicates 0", "at least 1"]),
        (["run", TOY, "--workers", "0"], ["--workers 0", "at least 1"]),
        (["run", TOY, "--data", "mnist"], ["--data mnist", "toy data"]),
        (["run", TOY, "--store", "/dev/null/x.db"], ["--store", "/dev/null/x.db", "cannot be opened"]),
        (["run", "toy_experiment:WITH_DATA", "--data", "mnits"], ["--data", "'mnits'", "'mnist'"]),
        (["show", TOY], ["--store", "goodminima.db", "`goodminima run` makes one"]),
        (["report"], ["--store", "goodminima.db", "`goodminima run` makes one"]),
    ],
)
def test_a_mistake_is_told_in_one_line(here: Command, words: list[str], parts: list[str]):
    code, out, err = here(*words)
    assert (code, out) == (2, "")
    assert err.startswith("goodminima: ")
    assert err.count("\n") == 1
    for part in parts:
        assert part in err


def test_an_unknown_option_is_told_without_a_traceback(tmp_path: Path):
    code, _, err = goodminima("run", TOY, "--scal", "smoke", folder=tmp_path)
    assert code == 2
    assert "--scale" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_says_how_to_go_on_and_keeps_what_finished(tmp_path: Path, here: Command, workers: str):
    words = ("run", TOY, "--fresh", "--replicates", "50", "--workers", workers)
    process = start(*words, folder=tmp_path)
    wait_for_more_than(2, folder=tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to the workers as well
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    count = stored(tmp_path)
    assert err.splitlines()[-1] == (
        f"goodminima: Stopped; {count} of 150 replicates are stored. "
        f"To go on: goodminima run {TOY} --replicates 50 --workers {workers}"
    )
    assert "Traceback" not in err
    code, out, _ = here("show", TOY)
    assert code == 0
    assert "A toy table" in out


@pytest.mark.parametrize(("kills", "workers"), [(2, "1"), pytest.param(5, "2", marks=pytest.mark.slow)])
def test_kills_in_the_middle_do_not_change_the_table(tmp_path: Path, kills: int, workers: str):
    words = ("run", TOY, "--replicates", "6", "--workers", workers)
    for _ in range(kills):
        process = start(*words, folder=tmp_path)
        wait_for_more_than(stored(tmp_path), folder=tmp_path)
        process.kill()
        process.communicate()
    before = stored(tmp_path)
    assert kills <= before < 18
    code, killed, err = goodminima(*words, folder=tmp_path)
    assert code == 0
    assert err.startswith(f"{before} of 18 replicates are in the store already: skipped\n")
    whole = tmp_path / "whole"
    whole.mkdir()
    assert goodminima(*words, folder=whole)[1] == killed


def test_two_runs_at_once_on_one_store_share_the_work(tmp_path: Path):
    words = ("run", TOY, "--replicates", "4", "--workers", "1")
    processes = [start(*words, folder=tmp_path) for _ in range(2)]
    outputs = [process.communicate(timeout=60)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert outputs[0] == outputs[1]
    assert stored(tmp_path) == 12


def test_all_of_a_paper_shares_no_cell_names(tmp_path: Path):
    code, _, err = goodminima("run", "chiang2023/all", "--scale", "smoke", "--only", "n=4/*", folder=tmp_path)
    assert code == 2
    assert err == "goodminima: --only n=4/*: names cells of one experiment; name that instead of all of a paper\n"


def test_all_of_a_paper_is_shown_together(here: Command):
    for name in ("figure1", "figure2"):
        assert here("run", f"chiang2023/{name}", "--scale", "smoke", "--replicates", "1", "--workers", "1")[0] == 0
    code, out, _ = here("show", "chiang2023/all")
    assert code == 0
    assert out.index("chiang2023/figure1") < out.index("chiang2023/figure2")


needs_small_disks = pytest.mark.skipif(os.name != "posix", reason="limits the size of files")


@needs_small_disks
def test_a_disk_that_fills_up_is_told_in_one_line_and_the_same_command_goes_on(tmp_path: Path):
    words = ("run", TOY, "--scale", "smoke", "--replicates", "12", "--workers", "2")
    code, out, err = on_small_disk(200_000, *words, "--fresh", folder=tmp_path)
    count = stored(tmp_path)
    assert 0 < count < 36
    assert (code, out) == (1, "")
    assert err == (
        f"goodminima: the store goodminima.db cannot be used (disk I/O error); {count} of 36 replicates are stored. "
        f"To go on once that is mended: goodminima {' '.join(words)}\n"
    )
    code, _, err = goodminima(*words[:-1], "1", folder=tmp_path)
    assert (code, err) == (0, f"{count} of 36 replicates are in the store already: skipped\n")
    assert stored(tmp_path) == 36


@needs_small_disks
def test_tracebacks_that_cannot_be_written_are_still_one_line(tmp_path: Path):
    (tmp_path / "goodminima.db.errors.log").mkdir()  # as good as a full disk for a file
    code, out, err = goodminima("run", "toy_experiment:FAILING", "--scale", "smoke", "--workers", "1", folder=tmp_path)
    assert code == 1
    assert "A toy table" in out
    assert err == (
        "goodminima: failed: toy_experiment:FAILING n=2/a replicate 1: RuntimeError: the toy broke "
        "(tracebacks cannot be written to goodminima.db.errors.log: Is a directory)\n"
    )


@needs_small_disks
def test_a_report_for_which_there_is_no_room_is_told_in_one_line(tmp_path: Path):
    assert goodminima("run", "chiang2023/figure1", "--scale", "smoke", "--workers", "1", folder=tmp_path)[0] == 0
    code, out, err = on_small_disk(33_000, "report", folder=tmp_path)
    assert (code, out) == (1, "")
    assert err == (
        "goodminima: --out report: not complete, cannot be written (File too large); once there is room, run this again\n"
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device of a full disk")
def test_output_that_cannot_be_written_is_told_in_one_line_and_ends_no_run(tmp_path: Path):
    command = f"{sys.executable} -m goodminima run {TOY} --scale smoke --workers 1 >&- 2>/dev/full"
    for _ in range(2):  # the second one tells what it skips
        subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, env=environment(), check=True)
    assert stored(tmp_path) == 9
    for words in (["show", TOY], ["version"]):  # more than a buffer holds, and less
        command = [sys.executable, "-m", "goodminima", *words]
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                command, check=False, cwd=tmp_path, env=environment(), text=True, stdout=full, stderr=subprocess.PIPE
            )
        assert done.stderr == "goodminima: the output cannot be written (No space left on device)\n"
        assert done.returncode == 1
