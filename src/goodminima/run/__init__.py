"""Running experiments: the store, the executors, and the runner that brings them together."""

from goodminima.run.executors import (
    AbstractExecutor,
    Failed,
    Finished,
    InlineExecutor,
    ProcessExecutor,
    find_experiment,
    find_experiments,
)
from goodminima.run.observer import Observer, Plan
from goodminima.run.options import BadOption
from goodminima.run.results import Results, empty_results, load_results
from goodminima.run.runner import RunInterrupted, RunReport, RunStopped, forget, run
from goodminima.run.store import DEFAULT_STORE, Group, Replicate, Store, StoreFailed

__all__ = [
    "DEFAULT_STORE",
    "AbstractExecutor",
    "BadOption",
    "Failed",
    "Finished",
    "Group",
    "InlineExecutor",
    "Observer",
    "Plan",
    "ProcessExecutor",
    "Replicate",
    "Results",
    "RunInterrupted",
    "RunReport",
    "RunStopped",
    "Store",
    "StoreFailed",
    "empty_results",
    "find_experiment",
    "find_experiments",
    "forget",
    "load_results",
    "run",
]
