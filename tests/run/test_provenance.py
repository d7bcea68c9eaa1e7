import subprocess
import sys
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goodminima.experiments.experiment import Cell
from goodminima.run.provenance import as_json, configuration, hash_of, revision, versions

SETTINGS = st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.integers()))


@dataclass(frozen=True)
class Setting:
    size: int


@given(SETTINGS)
def test_the_order_of_settings_does_not_matter(settings: dict):
    assert hash_of(settings) == hash_of(dict(reversed(settings.items())))


@given(SETTINGS, SETTINGS)
def test_different_settings_have_different_hashes(one: dict, other: dict):
    assert (hash_of(one) == hash_of(other)) == (one == other)


def test_settings_may_hold_numbers_text_tuples_mappings_and_dataclasses():
    settings = {1: (0.5, "x"), "net": Setting(3), "lowest": {2: None}}
    assert as_json(settings) == {"1": [0.5, "x"], "net": {"type": "Setting", "size": 3}, "lowest": {"2": None}}


def test_settings_without_a_stable_text_are_refused():
    with pytest.raises(ValueError, match="settings hold a object"):
        as_json({"x": object()})


def test_the_device_is_part_of_a_configuration():
    cell = Cell(name="c", settings={"n": 2}, measures=())
    assert hash_of(configuration(cell, {}, device="cpu")) != hash_of(configuration(cell, {}, device="cuda"))


def test_a_hash_is_the_same_in_every_process():
    code = "from goodminima.run.provenance import hash_of; print(hash_of({'b': [1, 0.1], 'a': None}))"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hash_of({"a": None, "b": [1, 0.1]})


def test_a_revision_is_a_commit_or_the_version():
    assert revision() == versions()["goodminima"] or len(revision().removesuffix("+dirty")) == 40
