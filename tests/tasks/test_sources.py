import os
import shutil
import tempfile
import time
from pathlib import Path

import datasets
import datasets.config
import datasets.exceptions
import pytest

from goodminima.tasks import KNOWN, DataError, sources
from goodminima.tasks.sources import locate, opened


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A hub at a port where nothing listens, and an empty cache."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(datasets.config, "HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")


def open_splits(data: str) -> dict:
    with opened(locate(data)) as splits:
        return dict(splits)


@pytest.mark.parametrize("name", KNOWN)
def test_known_names_mean_data_sets_of_the_hub(name: str) -> None:
    source = locate(name)
    config = "" if source.config is None else f":{source.config}"
    assert (source.name, source.place + config, source.is_folder) == (name, KNOWN[name], False)
    assert source.origin == f"Hugging Face hub {KNOWN[name]}"


def test_any_other_data_set_of_the_hub_has_an_owner_and_perhaps_a_configuration() -> None:
    source = locate("some-one/birds_v1.0:small")
    assert (source.place, source.config, source.name) == ("some-one/birds_v1.0", "small", "birds_v1.0")


def test_a_folder_goes_before_the_hub(animal_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(animal_folder.parent.parent)
    source = locate(f"{animal_folder.parent.name}/animals")
    assert (source.is_folder, source.name, source.origin) == (True, "animals", f"folder {source.place}")


def test_a_known_name_goes_before_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mnist").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not locate("mnist").is_folder
    assert locate("./mnist").is_folder


def test_the_fingerprint_changes_with_the_files_and_with_nothing_else(animal_folder: Path) -> None:
    seen = [locate(str(animal_folder)).fingerprint]
    assert locate(f"{animal_folder}/.").fingerprint == seen[0]
    file = next(animal_folder.iterdir())
    changes = (
        lambda: os.utime(file, ns=(1, 1)),
        lambda: file.rename(file.with_name("other.parquet")),
        lambda: (animal_folder / "more.txt").write_text("more"),
    )
    for change in changes:
        change()
        seen.append(locate(str(animal_folder)).fingerprint)
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("minst", r"'minst' is no known data set \(did you mean 'mnist'\?\): give one of digits, mnist, "),
        ("CIFAR10", r"\(did you mean 'cifar10'\?\)"),
        ("zzz", "'zzz' is no known data set: give one of .*, svhn, owner/name, or a folder"),
        ("", "'' is no known data set: give one of"),
        ("../nowhere/at/all", "'../nowhere/at/all': there is no such folder"),
        ("./nowhere", "'./nowhere': there is no such folder"),
    ],
)
def test_what_means_nothing_is_named(data: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        locate(data)


def test_a_file_is_no_folder(animal_folder: Path) -> None:
    file = next(animal_folder.iterdir())
    with pytest.raises(DataError, match=f"is a file: give the folder it is in, '{animal_folder}'"):
        locate(str(file))


def test_a_folder_is_opened_without_leaving_a_copy(
    animal_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hub")

    def interrupted() -> None:
        with opened(locate(str(animal_folder))) as splits:
            assert {name: len(split) for name, split in splits.items()} == {"train": 8, "test": 4}
            assert list(scratch.iterdir())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not list(scratch.iterdir())
    assert not (tmp_path / "hub").exists()


def test_a_folder_without_files(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty' holds no images: give a folder of parquet files or image files"):
        open_splits(str(tmp_path / "empty"))


def test_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "train.parquet").write_text("broken")
    with pytest.raises(DataError, match="cannot be read as a data set: ") as caught:
        open_splits(str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize(("data", "place"), [("mnist", "ylecun/mnist"), ("nobody/nothing", "nobody/nothing")])
def test_without_network_it_fails_at_once_and_says_so(data: str, place: str) -> None:
    began = time.monotonic()
    with pytest.raises(
        DataError,
        match=f"'{data}': the Hugging Face hub cannot be reached, and '{place}' is neither cached nor a folder",
    ):
        open_splits(data)
    assert time.monotonic() - began < 5
    assert not datasets.config.HF_HUB_OFFLINE


@pytest.mark.usefixtures("no_network")
def test_without_network_what_was_downloaded_before_is_used(animal_folder: Path, tmp_path: Path) -> None:
    """A data set as `datasets` keeps it: prepared from a folder, then filed under the name of a repository."""
    datasets.load_dataset(str(animal_folder), cache_dir=str(tmp_path / "prepared"))
    prepared = next((tmp_path / "prepared" / "animals").glob("*/*/*/"))
    shutil.copytree(prepared, tmp_path / "hub" / "owner___animals" / "default" / "0.0.0" / prepared.name)
    assert {name: len(split) for name, split in open_splits("owner/animals").items()} == {"train": 8, "test": 4}


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (datasets.exceptions.DatasetNotFoundError("gone"), "no data set 'nobody/nothing' that you may read"),
        (ValueError("Config name is missing.\nPick one"), "cannot be read from the hub: Config name is missing.$"),
    ],
)
def test_with_network_the_hub_may_refuse(error: Exception, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise error

    monkeypatch.setattr(sources, "_answers", lambda endpoint: True)
    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(DataError, match=message):
        open_splits("nobody/nothing")
