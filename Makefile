# make demo: sample handwritten digits with a new schedule's solver, pictures in demo_output/
# make test: tests, lint and type checks, in six minutes on two cores
# make test SELECT=: all tests, every case of those of which that runs a few; SELECT=slow: the rest
# make docs: the documentation as a site in build/site, with the derivations of every named schedule
# make reliability: bad inputs for ten minutes; make dist URL=..: sdist and wheel
# All set up .venv on a fresh machine with Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
WORKERS ?= 2
SELECT ?= not slow

.PHONY: demo test lint types generated docs reliability dist clean

demo: $(VENV)/.demo
	$(BIN)/solvergen demo --output demo_output

test: lint types
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "$(SELECT)"

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

generated: $(VENV)/.test
	$(BIN)/python generated/regenerate.py
	$(BIN)/python docs/house.py

docs: $(VENV)/.docs
	$(BIN)/python tools/documentation.py

reliability: $(VENV)/.test
	$(BIN)/python benchmarks/fuzz.py --minutes 10 --write docs/reliability.md

dist: $(VENV)/.test
	$(BIN)/python -m pip install --quiet "setuptools>=80"
	$(BIN)/python tools/distribute.py $(URL)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[$*]"
	touch $@

clean:
	rm -rf $(VENV) demo_output build *.egg-info
