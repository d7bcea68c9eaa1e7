"""Reading values as papers print them, so that the catalogue can be compared with the page at a glance."""

from collections.abc import Mapping, Sequence

from goodminima.experiments.experiment import Printed


def printed_row(measures: Sequence[str], row: str) -> Mapping[str, Printed]:
    """One row of a table in per cent, `mean±standard error` or `-` for a cell left empty, as fractions by measure.

    Raises:
        ValueError: If the row has not as many entries as there are measures.

    >>> printed_row(("a", "b", "c"), "93.02±0.27 - 50")
    {'a': Printed(mean=0.9302, standard_error=0.0027), 'c': Printed(mean=0.5, standard_error=None)}
    """
    entries = zip(measures, row.split(), strict=True)
    return {measure: _fraction(entry) for measure, entry in entries if entry != "-"}


def _fraction(entry: str) -> Printed:
    mean, _, error = entry.partition("±")
    return Printed(round(float(mean) / 100, 6), round(float(error) / 100, 6) if error else None)
