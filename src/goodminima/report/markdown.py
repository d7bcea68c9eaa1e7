"""The report: a folder of Markdown and pictures on everything that a store holds."""

import hashlib
import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from goodminima.experiments.experiment import Experiment
from goodminima.report.render import as_markdown
from goodminima.report.tables import described, tables_of
from goodminima.run.executors import find_experiment
from goodminima.run.results import Results, load_results
from goodminima.run.store import Group, Store


def write_report(store: Store, folder: Path) -> Path:
    """Writes a page and, where the experiment has one, a picture per table in the store, and an index to them.

    Returns:
        The index, `README.md` in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    sections, not_shown = list[str](), list[str]()
    for group in store.groups():
        results = _results(store, group)
        if isinstance(results, str):
            not_shown.append(f"- {group.experiment} ({described(group)}): {results}")
            continue
        sections.append(_write_page(results, folder))
    index = folder / "README.md"
    left_out = ["## Not shown", "", *not_shown] if not_shown else []
    written = f"Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by goodminima."
    index.write_text("\n".join(["# Report", "", written, "", *sections, *left_out]).rstrip() + "\n", encoding="utf-8")
    return index


def _results(store: Store, group: Group) -> Results | str:
    """What is stored of a group, or why it cannot be shown."""
    try:
        experiment = find_experiment(group.experiment)
    except ValueError:
        return "no experiment of this name is in the catalogue"
    results = load_results(store, experiment, group=group)
    return results if results.all_replicates() else "all its replicates were made with other settings than today's"


def _write_page(results: Results, folder: Path) -> str:
    """Writes the page of one table; returns the section of the index that leads to it."""
    experiment, name = results.experiment, slug(results.group)
    picture = _draw(experiment, results, folder / f"{name}.png")
    table = "\n".join(as_markdown(each) for each in tables_of(results))
    about = f"{experiment.claim} ({experiment.source})"
    page = [f"# {experiment.title}", "", about, "", table, *picture, "## Where this comes from", "", *_origin(results)]
    (folder / f"{name}.md").write_text("\n".join(page) + "\n", encoding="utf-8")
    return "\n".join([f"## [{experiment.title}]({name}.md)", "", about, "", table, *picture])


def _draw(experiment: Experiment, results: Results, path: Path) -> list[str]:
    if experiment.picture is None:
        return []
    from goodminima.report.figures import draw

    draw(experiment, results, path)
    return [f"![{experiment.title}]({path.name})", ""]


def _origin(results: Results) -> Iterator[str]:
    """Everything that is needed to judge the numbers, or to make them again."""
    group, rows = results.group, results.all_replicates()
    settings = results.experiment.scales[group.scale].settings.as_record()
    totals = Counter[str]()
    for row in rows:
        totals.update(row.outcome.counts)
    created = sorted(row.created for row in rows)

    def of_all(count: int) -> str:
        return "" if count == len(rows) else f" ({count} of {len(rows)} replicates)"

    yield f"- Made by `{command(group)}`"
    yield f"- Data: {group.data or 'toy data, made by the experiment'}"
    yield f"- Seed: {group.seed}; replicates: {len(rows)} over {len(results.cells)} cells"
    yield f"- Settings of the scale: `{json.dumps(settings)}`"
    yield f"- Computing time: {sum(row.seconds for row in rows):,.0f} s on {group.device}, one thread a replicate"
    if totals:
        yield f"- Counted in all: {'; '.join(f'{name} {total:,}' for name, total in totals.items())}"
    versions = Counter(", ".join(f"{k} {v}" for k, v in row.versions.items()) or "unknown" for row in rows)
    yield from (f"- Versions: {each}{of_all(count)}" for each, count in versions.most_common())
    revisions = Counter(row.revision or "unknown" for row in rows)
    yield f"- Revision of the source: {', '.join(f'{each}{of_all(count)}' for each, count in revisions.most_common())}"
    yield f"- When: {created[0]} to {created[-1]}"


def command(group: Group) -> str:
    """What to type to make a group's numbers again."""
    data = f" --data {shlex.quote(group.data)}" if group.data else ""
    device = "" if group.device == "cpu" else f" --device {group.device}"
    return f"goodminima run {group.experiment} --scale {group.scale}{data} --seed {group.seed}{device}"


def slug(group: Group) -> str:
    """A file name of a group's own; folders of the same name are told apart by a hash of the whole path.

    >>> slug(Group(experiment="chiang2023/table2", scale="smoke", data="digits", seed=0, device="cpu"))
    'chiang2023-table2-smoke-digits-seed0-cpu'
    """
    data = group.data
    if Path(data).is_absolute():
        data = f"{Path(data).name}-{hashlib.sha256(data.encode()).hexdigest()[:6]}"
    words = [group.experiment, group.scale, data, f"seed{group.seed}", group.device]
    return "-".join(re.sub(r"[^A-Za-z0-9_.-]+", "-", word) for word in words if word)
