import warnings

import datasets
import pytest
from datasets import ClassLabel, Features, Image, Value
from tiny_images import table

from goodminima.tasks import DataError
from goodminima.tasks.columns import Columns, find_columns, read_labels


def found(**kinds: object) -> Columns:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return find_columns(Features(kinds), "zoo")


def test_columns_are_found_by_type_whatever_their_names() -> None:
    assert found(id=Value("int64"), img=Image(), species=ClassLabel(names=["a", "b"])) == Columns("img", "species")


def test_without_classes_an_integer_column_that_says_label_is_taken() -> None:
    assert found(id=Value("int64"), img=Image(), fine_label=Value("int32")) == Columns("img", "fine_label")


def test_without_a_telling_name_the_only_integer_column_is_taken() -> None:
    assert found(img=Image(), kind=Value("uint8"), note=Value("string")) == Columns("img", "kind")


def test_of_two_label_columns_the_finer_is_taken_and_said() -> None:
    kinds = Features(img=Image(), coarse=ClassLabel(num_classes=2), fine=ClassLabel(num_classes=5))
    with pytest.warns(UserWarning, match="'zoo': labels taken from column 'fine', not from coarse"):
        assert find_columns(kinds, "zoo") == Columns("img", "fine")


def test_of_two_image_columns_the_first_is_taken_and_said() -> None:
    kinds = Features(photo=Image(), depth=Image(), label=ClassLabel(num_classes=2))
    with pytest.warns(UserWarning, match="'zoo': images taken from column 'photo', not from depth"):
        assert find_columns(kinds, "zoo") == Columns("photo", "label")


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({"text": Value("string"), "label": Value("int64")}, r"holds no images: none of its columns \(text, label\)"),
        ({"image": Image(), "note": Value("string")}, "no label column, only image, note: add an integer column"),
        ({"image": Image(), "id": Value("int64"), "age": Value("int64")}, "no label column, only image, id, age"),
    ],
)
def test_missing_columns_are_named(kinds: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_columns(Features(kinds), "zoo")


def test_class_names_come_with_the_labels() -> None:
    rows = table({"label": ClassLabel(names=["cat", "dog"])}, label=[1, 0, 1])
    (train, test), names = read_labels((rows, rows.select([0])), "label", "zoo")
    assert (train.tolist(), test.tolist(), names) == ([1, 0, 1], [1], ("cat", "dog"))


def test_values_without_names_are_classes_from_0() -> None:
    def rows(*values: int) -> datasets.Dataset:
        return table({"y": Value("int16")}, y=list(values))

    (train, test), names = read_labels((rows(-1, 7, 1), rows(3, 1)), "y", "zoo")
    assert (train.tolist(), test.tolist(), names) == ([0, 3, 1], [2, 1], ("-1", "1", "3", "7"))


@pytest.mark.parametrize(("kind", "secret"), [(ClassLabel(num_classes=3), -1), (Value("int64"), None)])
def test_examples_without_a_label_are_refused(kind: object, secret: int | None) -> None:
    rows = table({"label": kind}, label=[0, secret, 2])
    with pytest.raises(DataError, match=r"1 of 3 .* examples have no label in column 'label'"):
        read_labels((rows, rows), "label", "zoo")
