"""goodminima: why do the minima that training finds generalise, when others that fit the same data do not?

    import goodminima as gm

    task = gm.few_shot(gm.load_images("digits"), num_samples=4, num_classes=2, seed=0)
    found = gm.guess_and_check(gm.LeNet(width=0.5), task, accept=gm.Fits(loss_below=0.6), num_solutions=10)
    found.log_volume                                       # natural log, with an interval
    found.population().accuracy(task.test.x, task.test.y)  # of the ten solutions

Names are imported when they are first used, so that `import goodminima` costs nothing; `__init__.pyi` lists them.
"""

import difflib
import os
from importlib.metadata import version
from typing import Any

import lazy_loader

# Intel's MKL rounds a matrix product differently for another address of the same numbers, on AMD's processors at least:
# what a member gets would depend on its company. In this mode it does not, at no cost in time; MKL reads it once.
os.environ.setdefault("MKL_CBWR", "AUTO")

__version__ = version("goodminima")
_resolve, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__.append("__version__")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        near = difflib.get_close_matches(name, __all__, n=1, cutoff=0.0)[0]
        raise AttributeError(f"module 'goodminima' has no attribute {name!r}; the nearest is {near!r}")
    return _resolve(name)
