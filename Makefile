# make demo: set up what that takes, and profile a built-in network, and MODEL=path if given, on this machine's CPU.
# make quick: set up and run the tests that start no process and import no PyTorch, in under half a minute.
# make test: set up and run all but the slow tests.
# make docs: build the documentation into build/site.
# make lock: write requirements.lock anew, after constraints.txt or pyproject.toml changed; needs uv.
# make pictures: draw the picture of the README anew, by running its command.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# What the first profile needs, and nothing else; a development environment has it too.
LEAST := $(VENV)/.least
MODEL ?=

# What a release is installed with where every file must be the one that was tested, by its hash.
LOCKED := --extra mcu --extra tasks --extra report --extra parquet --extra storages --extra cluster
UV ?= uv

.PHONY: demo quick test test-all check docs lock pictures install clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

$(LEAST): pyproject.toml constraints.txt
	@echo "installing edgebench into $(VENV) (about 440 MB)"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e . | grep --line-buffered -E "^(Collecting|Installing|Successfully)" | cut -c1-100
	touch $(LEAST)

demo: $(if $(wildcard $(STAMP)),$(STAMP),$(LEAST))
	$(BIN)/edgebench profile zoo:ds-cnn -d host -d host-litert
ifneq ($(MODEL),)
	$(BIN)/edgebench profile "$(MODEL)" -d $(if $(filter %.tflite,$(MODEL)),host-litert,host)
else
	@echo "Your own model: make demo MODEL=path/to/model.onnx"
endif

quick: $(STAMP)
	$(BIN)/pytest -n 2 -m "not child and not heavy and not slow"

test: $(STAMP)
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test-all: $(STAMP)
	$(BIN)/pytest -n 2 --dist worksteal

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict

docs: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lock:
	$(UV) pip compile pyproject.toml $(LOCKED) --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header --constraint constraints.txt --output-file requirements.lock

pictures: $(STAMP)
	$(BIN)/python docs/pictures.py

clean:
	rm -rf $(VENV) build dist
