import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from tiny_images import counted_images

from goodminima.core import files
from goodminima.tasks import ImageData, image_cache
from goodminima.tasks.image_cache import read_images, write_images


def same(one: ImageData | None, two: ImageData) -> bool:
    assert one is not None
    tensors = all(torch.equal(getattr(one, key), getattr(two, key)) for key in image_cache._TENSORS)
    return tensors and (one.class_names, one.name, one.origin) == (two.class_names, two.name, two.origin)


def test_what_was_written_is_read(cache_folder: Path) -> None:
    images = counted_images([3, 4], [2, 1], channels=3)
    file = files.cache_file("counted", "somewhere")
    assert read_images(file) is None
    write_images(file, images)
    assert same(read_images(file), images)
    assert list(cache_folder.iterdir()) == [file]


def test_every_part_of_the_identity_gives_another_file() -> None:
    ways = [("a",), ("a", "b"), ("a", "c"), ("a", "b", ""), ("ab", "")]
    assert len({files.cache_file(*way) for way in ways}) == len(ways)


@pytest.mark.parametrize("damage", [b"", b"no safetensors at all", None])
def test_a_damaged_file_is_replaced(damage: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    images = counted_images([3, 4], [2, 1])
    file = files.cache_file("counted")
    write_images(file, images)
    file.write_bytes(file.read_bytes()[:-3] if damage is None else damage)
    assert read_images(file) is None
    assert "cannot be read" in caplog.text
    write_images(file, images)
    assert same(read_images(file), images)


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    cache_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = counted_images([3, 4], [2, 1]), counted_images([5, 5], [2, 1])
    file = files.cache_file("counted")
    write_images(file, old)

    def half_a_file(tensors: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save_file", half_a_file)
    with pytest.raises(KeyboardInterrupt):
        write_images(file, new)
    assert same(read_images(file), old)
    assert list(cache_folder.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_is_gone_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GOODMINIMA_CACHE", str(tmp_path / "file" / "cache"))
    file = files.cache_file("counted")
    assert read_images(file) is None
    for _ in range(3):
        write_images(file, counted_images([3, 4], [2, 1]))
    assert caplog.text.count("cannot be written") == 1


def test_who_reads_while_two_write_sees_whole_files(cache_folder: Path) -> None:
    file = files.cache_file("counted")
    images = counted_images([3, 4], [2, 1])
    write_images(file, images)
    with ThreadPoolExecutor(2) as writers:
        writing = [writers.submit(write_images, file, images) for _ in range(100)]
        while not all(one.done() for one in writing):
            assert same(read_images(file), images)
    assert [one.result() for one in writing] == [None] * 100
    assert list(cache_folder.iterdir()) == [file]


def test_only_one_is_in_its_turn_and_the_other_hears_that_it_waits(cache_folder: Path) -> None:
    file, order = files.cache_file("made once"), []
    entered, waited = threading.Event(), threading.Event()

    def first() -> None:
        with files.turn(file, waiting=lambda: None):
            entered.set()
            waited.wait(10)
            order.append("first leaves")

    def second() -> None:
        entered.wait(10)
        with files.turn(file, waiting=waited.set):
            order.append("second enters")

    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(first), both.submit(second)]:
            done.result()
    assert order == ["first leaves", "second enters"]


def test_a_turn_needs_no_folder_that_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GOODMINIMA_CACHE", str(tmp_path / "file" / "cache"))
    with files.turn(files.cache_file("made each time"), waiting=lambda: None):
        pass
