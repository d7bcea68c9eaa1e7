"""Many nets at once: populations, the priors they are drawn from, and the generator behind them."""

from goodminima.population.normalise import norm_product
from goodminima.population.population import Population
from goodminima.population.priors import AbstractPrior, Cube, FanOut, Gaussian, Glorot, Sphere, TorchDefault

__all__ = [
    "AbstractPrior",
    "Cube",
    "FanOut",
    "Gaussian",
    "Glorot",
    "Population",
    "Sphere",
    "TorchDefault",
    "norm_product",
]
