from goodminima.experiments.experiment import Cell, Experiment


def cell_of(experiment: Experiment, name: str) -> Cell:
    """The cell of this name."""
    return next(cell for cell in experiment.cells if cell.name == name)
