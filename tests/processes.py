"""Processes of their own, which import what the tests import: the source under test, whatever is installed."""

import os
import subprocess
import sys


def environment(**variables: str) -> dict[str, str]:
    """The environment of the tests, with their import path and `variables`."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **variables}


def output_of(code: str, **variables: str) -> str:
    """What Python prints for `code`."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment(**variables)).stdout
