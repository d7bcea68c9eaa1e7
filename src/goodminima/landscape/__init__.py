"""What the loss looks like: on lines and planes through parameter space, along trainings, in the plane of the data."""

from goodminima.landscape.boundary import Regions, boundary_distances, decision_regions
from goodminima.landscape.directions import (
    Direction,
    Eigenpairs,
    between,
    hessian_eigenpairs,
    parameters_of,
    random_directions,
    through,
)
from goodminima.landscape.slices import Line, Surface
from goodminima.landscape.surfaces import line, plane, surface
from goodminima.landscape.trajectory import Projection, Trajectory, distances, pca, tsne

__all__ = [
    "Direction",
    "Eigenpairs",
    "Line",
    "Projection",
    "Regions",
    "Surface",
    "Trajectory",
    "between",
    "boundary_distances",
    "decision_regions",
    "distances",
    "hessian_eigenpairs",
    "line",
    "parameters_of",
    "pca",
    "plane",
    "random_directions",
    "surface",
    "through",
    "tsne",
]
