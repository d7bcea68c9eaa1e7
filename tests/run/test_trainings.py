"""Where shared trainings are: beside the store, apart by paper, scale, data, seed and device; `--fresh` removes them."""

from dataclasses import replace
from pathlib import Path

import pytest
from toy_experiment import TOY, WITH_DATA, make

from goodminima.experiments.experiment import Cell, Context, Outcome
from goodminima.run import Group, Store, forget, run
from goodminima.run.trainings import trainings_folder

GROUP = Group(experiment="liu2020/table2", scale="smoke", data="digits", seed=0, device="cpu")


def write_a_word(cell: Cell, context: Context) -> Outcome:
    """Leaves a file where shared trainings are kept."""
    assert context.trainings is not None
    context.trainings.mkdir(parents=True, exist_ok=True)
    (context.trainings / cell.name.replace("/", "-")).write_text(context.experiment)
    return Outcome(values={"low": 0.5})


WRITING = make("WRITING", write_a_word)


def test_entries_of_a_paper_share_a_folder_beside_the_store(store: Store) -> None:
    folder = trainings_folder(store, GROUP)
    assert store.file is not None
    assert folder.parent.parent.parent.parent == store.file.with_suffix(".trainings")
    assert trainings_folder(store, replace(GROUP, experiment="liu2020/figure2")) == folder


@pytest.mark.parametrize(
    "change",
    [
        {"experiment": "huang2020/table1"},
        {"scale": "paper"},
        {"data": "/one/digits"},
        {"data": "/other/digits"},
        {"data": ""},
        {"seed": 1},
        {"device": "cuda:1"},
    ],
)
def test_whatever_differs_has_a_folder_of_its_own(store: Store, change: dict) -> None:
    others = [{"data": "/a/digits"}, {"seed": 2}, {}]
    folders = {trainings_folder(store, replace(GROUP, **each)) for each in [*others, change]}
    assert len(folders) == 4
    assert not any(one != other and one.is_relative_to(other) for one in folders for other in folders)


def test_replicates_get_the_folder(store: Store) -> None:
    group = run(WRITING, store=store, scale="smoke", replicates=1).group
    written = trainings_folder(store, group)
    assert {path.name for path in written.iterdir()} == {"n=2-a", "n=2-b", "n=4-a"}


def test_what_keeps_nothing_has_no_folder(store: Store, tmp_path: Path) -> None:
    run(TOY, store=store, scale="smoke", replicates=1)
    assert not list(tmp_path.glob("*.trainings"))


@pytest.mark.parametrize("way", ["run", "forget"])
def test_fresh_removes_the_folder_and_no_other(store: Store, way: str) -> None:
    groups = [run(WRITING, store=store, scale="smoke", seed=seed, replicates=1).group for seed in (0, 1)]
    stale = trainings_folder(store, groups[0]) / "stale"
    stale.write_text("")
    if way == "run":
        assert run(WRITING, store=store, scale="smoke", replicates=1, fresh=True).computed == 3
        assert not stale.exists()
    else:
        forget(WRITING, store=store, scale="smoke")
        assert not stale.parent.exists()
        assert store.identities(groups[0]) == set()
    assert len(list(trainings_folder(store, groups[1]).iterdir())) == 3


def test_data_are_part_of_it(store: Store) -> None:
    group = run(WITH_DATA, store=store, scale="smoke", replicates=1).group
    assert trainings_folder(store, group).parent.name.startswith("digits-")
