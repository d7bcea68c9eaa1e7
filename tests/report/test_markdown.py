import dataclasses
from pathlib import Path

import sqlalchemy as sql
from toy_experiment import TOY, WITH_DATA, Pause

from goodminima.report.markdown import command, slug, write_report
from goodminima.run import Group, Store, run
from goodminima.run.store import replicates

GROUP = Group(experiment="paper/table", scale="laptop", data="", seed=3, device="cpu")


def test_a_report_has_a_page_per_table_and_an_index(store: Store, tmp_path: Path):
    for seed in (0, 1):
        run(TOY, store=store, scale="smoke", seed=seed)
    run(WITH_DATA, store=store, scale="smoke", replicates=1)
    index = write_report(store, tmp_path / "new" / "report")
    pages = sorted(path.name for path in index.parent.iterdir())
    assert pages == [
        "README.md",
        "toy_experiment-TOY-smoke-seed0-cpu.md",
        "toy_experiment-TOY-smoke-seed1-cpu.md",
        "toy_experiment-WITH_DATA-smoke-digits-seed0-cpu.md",
    ]
    text = index.read_text()
    assert all(f"]({page})" in text for page in pages if page != "README.md")
    assert TOY.claim in text
    assert text.count("| samples | method |") == 3


def test_a_page_says_where_its_numbers_come_from(store: Store, tmp_path: Path):
    run(TOY, store=store, scale="smoke")
    index = write_report(store, tmp_path / "report")
    page = (index.parent / "toy_experiment-TOY-smoke-seed0-cpu.md").read_text()
    assert "Made by `goodminima run toy_experiment:TOY --scale smoke --seed 0`" in page
    assert "Seed: 0; replicates: 9 over 3 cells" in page
    assert "Counted in all: guesses 9,000" in page
    assert 'Settings of the scale: `{"pause": 0.0}`' in page
    for word in ("torch", "numpy", "python", "Revision", "Computing time", "When"):
        assert word in page


def test_a_page_counts_the_replicates_of_each_source(store: Store, tmp_path: Path):
    run(TOY, store=store, scale="smoke")
    with store.engine.begin() as connection:
        changed = sql.update(replicates).where(replicates.c.replicate == 0).values(revision="c" * 40)
        connection.execute(changed)
    index = write_report(store, tmp_path / "report")
    page = (index.parent / "toy_experiment-TOY-smoke-seed0-cpu.md").read_text()
    assert f"{'c' * 40} (3 of 9 replicates)" in page
    assert "3 with revision cccccccccc" in page
    assert "3 with revision cccccccccc" in index.read_text()


def test_what_cannot_be_shown_is_named(store: Store, tmp_path: Path):
    run(dataclasses.replace(TOY, name="gone/away"), store=store, scale="smoke")
    changed = dataclasses.replace(TOY.scales["smoke"], settings=Pause(pause=0.001))
    run(dataclasses.replace(TOY, scales={**TOY.scales, "smoke": changed}), store=store, scale="smoke")
    text = write_report(store, tmp_path / "report").read_text()
    assert "- gone/away (scale smoke, seed 0, cpu): no experiment of this name" in text
    assert "- toy_experiment:TOY (scale smoke, seed 0, cpu): all its replicates were made with other settings" in text


def test_folders_of_the_same_name_have_pages_of_their_own():
    one, other = (slug(dataclasses.replace(GROUP, data=f"/{parent}/mnist")) for parent in ("a", "b"))
    assert one != other
    assert one.startswith("paper-table-laptop-mnist-")


def test_a_command_makes_the_same_group_again():
    assert command(GROUP) == "goodminima run paper/table --scale laptop --seed 3"
    group = dataclasses.replace(GROUP, data="mnist", device="cuda")
    assert command(group) == "goodminima run paper/table --scale laptop --data mnist --seed 3 --device cuda"
