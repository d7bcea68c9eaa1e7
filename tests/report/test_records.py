import dataclasses
import json

import pytest
from fixed_results import EXPERIMENT, GROUP, HIGH, LOW, OUTCOMES, RESULTS

from goodminima.experiments.catalogue import EXPERIMENTS
from goodminima.report.records import catalogue_records, records_of
from goodminima.run import Store
from goodminima.run.provenance import configuration
from goodminima.run.results import identity_of


def test_a_record_says_all_about_one_measure():
    first = records_of(RESULTS)[0]
    difference = first.pop("difference")
    assert difference == pytest.approx((0.67 - 0.669) / (0.01**2 + 0.01**2) ** 0.5)
    assert first.pop("mean") == pytest.approx(0.67)
    assert first.pop("standard_error") == pytest.approx(0.01)
    assert first == {
        "experiment": "paper/table",
        "scale": "laptop",
        "cell": {"name": "n=2/gc", "samples": 2, "method": "G&C", "edges": [0.3, 0.35, 0.4]},
        "measure": LOW,
        "n": 2,
        "replicates": 3,
        "comparable": True,
        "paper_mean": 0.669,
        "paper_standard_error": 0.01,
        "statement": None,
        "above": None,
        "below": None,
        "holding": None,
        "data": "digits",
        "seed": 0,
        "device": "cpu",
        "origins": [{"replicates": 3, "revision": "abc", "torch": "2.9", "numpy": None, "kernel": None}],
    }


def test_records_count_the_replicates_of_each_source():
    rows = RESULTS.replicates["n=2/gc"]
    mixed = (dataclasses.replace(rows[0], revision="def+dirty"), *rows[1:])
    results = dataclasses.replace(RESULTS, replicates={**RESULTS.replicates, "n=2/gc": mixed})
    origins = [(origin["revision"], origin["replicates"]) for origin in records_of(results)[0]["origins"]]
    assert origins == [("abc", 2), ("def+dirty", 1)]


def test_what_there_is_not_is_null():
    records = {(record["cell"]["name"], record["measure"]): record for record in records_of(RESULTS)}
    assert len(records) == 5
    missed = records["n=2/sgd", LOW]
    assert (missed["mean"], missed["standard_error"], missed["n"], missed["replicates"]) == (None, None, 0, 2)
    assert (missed["paper_mean"], missed["paper_standard_error"], missed["difference"]) == (0.7, None, None)
    not_asked = records["n=2/sgd", HIGH]
    assert (not_asked["mean"], not_asked["n"], not_asked["replicates"]) == (None, 0, 0)


def test_the_catalogue_has_a_record_for_every_measure_at_every_scale():
    records = catalogue_records(EXPERIMENTS, None)
    declared = sum(
        len(cell.measures)
        for experiment in EXPERIMENTS
        for scale in experiment.scales
        for cell in experiment.cells_at(scale)
    )
    assert len(records) == declared
    assert all(record["mean"] is None and record["n"] == 0 for record in records)
    printed = [
        record["paper_mean"]
        for record in records
        if (record["experiment"], record["scale"]) == ("chiang2023/table2", "paper")
    ]
    cells = next(experiment for experiment in EXPERIMENTS if experiment.name == "chiang2023/table2").cells
    assert sum(mean is not None for mean in printed) == sum(len(cell.printed) for cell in cells)
    json.dumps(records, allow_nan=False)


def test_the_catalogue_shows_what_a_store_holds(tmp_path):
    store = Store(str(tmp_path / "store.db"))
    cell = EXPERIMENT.cells[0]
    identity = identity_of(EXPERIMENT, cell, group=GROUP, replicate=0)
    configured = configuration(cell, EXPERIMENT.scales["laptop"].settings, device="cpu")
    store.save(identity, OUTCOMES[cell.name][0], configuration=configured, seconds=1.0, device="cpu")
    records = catalogue_records([EXPERIMENT], store)
    assert [(r["scale"], r["mean"]) for r in records if r["mean"] is not None] == [("laptop", 0.66), ("laptop", 0.5)]
    assert {record["scale"] for record in records} == {"smoke", "laptop", "paper"}
