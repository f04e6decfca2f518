# Everything lives in .venv/ of this checkout; the first target that needs it makes it.
# `make` lists the targets. Options: PROMPT="a blue chair" CONFIG=draft OUT=out JOBS=2 PYTEST_ARGS="-k cli"
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && command -v $$p && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
JOBS   ?= 2
PROMPT ?= a red mushroom
# Through the environment, so that quotes in a prompt reach the program as they are.
export PROMPT
CONFIG ?= standard
OUT    ?= out
BUILD  := build/kernels

INSTALLED := $(VENV)/.installed
KERNELS   := dream3d/_kernels/libdream3d_cpu.so
CUDA_TREE := $(shell find cuda -type f -not -path 'cuda/tests/*' 2>/dev/null)

.PHONY: help setup demo test test-python test-cpp lint format types kernels gpu-check bench gallery docs wheel clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(INSTALLED) $(KERNELS)  ## make .venv, install the package into it, build the kernels

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then echo "dream3d needs Python 3.11 or newer; set PYTHON=/path/to/python3" >&2; exit 1; fi
	$(PYTHON) -m venv $(VENV)

# torch first and alone: nothing that follows can then choose another one.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@$(BIN)/pip install -qq -c constraints.txt torch
	$(BIN)/pip install -qq -c constraints.txt scikit-build-core ninja
	$(BIN)/pip install -qq -c constraints.txt --no-build-isolation --editable '.[dev]'
	command -v cmake >/dev/null || $(BIN)/pip install -qq cmake
	touch $@

kernels: $(KERNELS)  ## build the kernels into dream3d/_kernels (with the CUDA half when nvcc is found)

$(KERNELS): $(CUDA_TREE) | $(INSTALLED)
	@export PATH="$$PATH:$(CURDIR)/$(BIN)"
	cmake -S cuda -B $(BUILD) -G Ninja -DCMAKE_BUILD_TYPE=Release
	cmake --build $(BUILD) -j $(JOBS)
	touch $@

demo: setup  ## prompt -> .glb in out/: make demo PROMPT="a blue chair"
	@mkdir -p $(OUT)
	name=$$(tr -cs '[:alnum:]' '-' <<< "$$PROMPT" | sed 's/^-*//; s/-*$$//' | cut -c -60)
	file="$(OUT)/$${name:-asset}.glb"
	$(BIN)/dream3d generate "$$PROMPT" --config $(CONFIG) -o "$$file" > /dev/null
	echo "asset:   $$file"
	echo "picture: $${file%.glb}.png"

test: test-cpp test-python  ## all tests

# A process per core, each with one thread: the tests are small, and threads would wait for each other. One that
# dies or hangs is not replaced: the test it died in would be run again, and hang again.
test-python: setup $(VENV)/.validator  ## the Python tests: make test-python PYTEST_ARGS="-k cli"
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --max-worker-restart 0 $(PYTEST_ARGS)

# The Khronos glTF validator and three.js, npm packages. Tests that need them say so when npm is missing.
$(VENV)/.validator: tests/package.json
	@if command -v npm >/dev/null; then npm ci --prefix tests --no-audit --no-fund --loglevel=error; \
	else echo "npm not found: the Khronos validator tests will be skipped" >&2; fi
	touch $@

test-cpp: setup  ## the kernels' own tests, plain and under sanitizers
	@export PATH="$$PATH:$(CURDIR)/$(BIN)"
	cmake -S cuda -B $(BUILD) -DD3D_TESTS=ON
	cmake --build $(BUILD) -j $(JOBS)
	ctest --test-dir $(BUILD) --output-on-failure

lint: $(INSTALLED)  ## ruff: rules and format
	@$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(INSTALLED)  ## rewrite the Python and C++ sources in the house style
	@$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	if command -v clang-format >/dev/null; then find cuda -regex '.*\.\(h\|cpp\|cu\)' -exec clang-format -i {} +; fi

types: $(INSTALLED)  ## pyright on the package and the scripts
	@$(BIN)/pyright

bench: setup  ## what the README's numbers come from
	@for script in scripts/bench_*.py; do echo "== $$script"; $(BIN)/python $$script; done

gallery: setup  ## dream3d eval on 24 prompts x 2 seeds into out/gallery, sheet into assets/gallery
	@$(BIN)/python scripts/make_gallery.py

gpu-check: setup  ## the tests that need a GPU
	@$(BIN)/python -m pytest -m gpu -rs $(PYTEST_ARGS)

docs: $(INSTALLED)  ## the site in build/site, from docs/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	echo "open build/site/index.html"

wheel: $(INSTALLED)  ## dist/dream3d-*.whl with the kernels inside
	@export PATH="$$PATH:$(CURDIR)/$(BIN)"
	rm -f dist/dream3d-*.whl
	$(BIN)/pip wheel -qq --no-deps --no-build-isolation --wheel-dir dist .
	ls -l dist

clean:  ## remove what was built (not .venv)
	rm -rf build dist out dream3d/_kernels/*.so
