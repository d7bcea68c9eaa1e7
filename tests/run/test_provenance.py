from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from goodminima.experiments.experiment import Cell
from goodminima.experiments.settings import Count, Settings
from goodminima.run.provenance import configuration, hash_of, revision, versions
from processes import output_of

SETTINGS = st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.integers()))


@dataclass(frozen=True, kw_only=True)
class Size(Settings):
    size: Count


@given(SETTINGS)
def test_the_order_of_settings_does_not_matter(settings: dict):
    assert hash_of(settings) == hash_of(dict(reversed(settings.items())))


@given(SETTINGS, SETTINGS)
def test_different_settings_have_different_hashes(one: dict, other: dict):
    assert (hash_of(one) == hash_of(other)) == (one == other)


def test_the_device_is_part_of_a_configuration():
    cell = Cell(name="c", settings=Size(size=2), measures=())
    on_cpu, on_gpu = (hash_of(configuration(cell, Settings(), device=device)) for device in ("cpu", "cuda"))
    assert on_cpu != on_gpu


def test_the_settings_of_cell_and_scale_are_part_of_a_configuration():
    cells = [Cell(name="c", settings=Size(size=size), measures=()) for size in (2, 3)]
    hashes = {hash_of(configuration(cell, Size(size=size), device="cpu")) for cell in cells for size in (2, 3)}
    assert len(hashes) == 4


def test_a_hash_is_the_same_in_every_process():
    code = "from goodminima.run.provenance import hash_of; print(hash_of({'b': [1, 0.1], 'a': None}))"
    assert output_of(code).strip() == hash_of({"a": None, "b": [1, 0.1]})


def test_a_revision_is_a_commit_or_the_version():
    assert revision() == versions()["goodminima"] or len(revision().removesuffix("+dirty")) == 40
