# Everything a newcomer needs: `make demo` and `make test`. Both make their own .venv and need no network once it stands.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
NATIVE := $(shell find src/goodminima/population/native -name '*.cpp' -o -name '*.h' -o -name '*.inl')

.PHONY: install demo test test-all pytest lint types sanitize bench clean

install: $(STAMP)

$(STAMP): pyproject.toml setup.py $(NATIVE)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	$(BIN)/pyright --version  # fetches what it runs on, so that nothing needs a network later
	touch $(STAMP)

demo: install
	$(BIN)/goodminima run chiang2023/table2 --scale smoke --data digits --store sqlite:///demo/goodminima.db
	$(BIN)/goodminima report --store sqlite:///demo/goodminima.db --out demo/report

# On all cores; a worker that has nothing left takes over what another one has not begun.
PYTEST := $(BIN)/python -m pytest -n logical --dist worksteal

test: lint types pytest

test-all: lint types
	$(PYTEST) -m ''

pytest: install
	$(PYTEST)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/pyright

SANITIZED := build/sanitized

# The standard library is preloaded too, or the address sanitizer stops at the first C++ exception.
sanitize: install
	rm -rf $(SANITIZED)
	CFLAGS="-g -fno-wrapv -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
	  $(BIN)/python setup.py -q build --build-base $(SANITIZED) --build-lib $(SANITIZED)/lib
	ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" \
	  PYTHONPATH=$(SANITIZED)/lib $(BIN)/python -m pytest -q -p no:cacheprovider tests/population

bench: install
	$(BIN)/python benchmarks/guess_and_check.py

clean:
	rm -rf build demo .pytest_cache .ruff_cache src/*.egg-info
