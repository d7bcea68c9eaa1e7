"""The one thing pyproject.toml cannot say: a compiled kernel that may fail to build without failing the install."""

from pathlib import Path

from setuptools import setup

NATIVE = Path("src/goodminima/population/native")


def optional_kernel() -> list:
    source = NATIVE / "kernel.cpp"
    if not source.exists():
        return []
    from pybind11.setup_helpers import Pybind11Extension

    return [
        Pybind11Extension(
            "goodminima.population.native._kernel",
            [str(source)],
            include_dirs=[str(NATIVE)],
            depends=[str(part) for suffix in ("h", "inl") for part in sorted(NATIVE.rglob(f"*.{suffix}"))],
            cxx_std=17,
            extra_compile_args=["-O3"],
            optional=True,
        )
    ]


setup(ext_modules=optional_kernel())
