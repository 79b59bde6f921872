PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
MODEL := fb15k-237.model.zarr

.PHONY: demo test faults slurm test-lowest coverage setup clean

demo: .venv/installed
	@echo '== Training on FB15k-237: 272,115 facts of Freebase'
	@$(BIN)/daskgraph train examples/fb15k-237 -c examples/fb15k-237.toml -o $(MODEL)
	@echo '== How well it ranks the facts it has not seen'
	@$(BIN)/daskgraph eval $(MODEL)
	@echo '== What is near "Casino Royale", the film of 2006?'
	@$(BIN)/daskgraph neighbors $(MODEL) /m/03r0g9
	@echo '== Of which genres is it?'
	@$(BIN)/daskgraph predict $(MODEL) --head /m/03r0g9 --relation /film/film/genre -k 5

test: setup
	$(BIN)/python -m pytest -m 'not faults and not slurm' $(TESTS)

# Trainings that are killed at every point, and clusters whose workers are.
faults: setup
	$(BIN)/python -m pytest -m faults $(TESTS)

# Trainings in jobs of a real SLURM, on this machine alone; skipped, with a reason, where its programs are missing.
slurm: setup
	$(BIN)/python -m pytest -m slurm -rs $(TESTS)

# Without the JIT, since lines of compiled kernels can not be counted.
coverage: setup
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest --cov --cov-report=term:skip-covered --cov-fail-under=90 -m 'not faults and not slurm' $(TESTS)

# With exactly the versions that setup.cfg names as the lowest.
test-lowest:
	$(PYTHON) -m venv .venv-lowest
	sed -n '/^install_requires/,/^\[/s/^ *\([a-z0-9-]*\) >= \(.*\)/\1==\2/p' setup.cfg > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet --constraint .venv-lowest/constraints.txt --editable '.[test]'
	.venv-lowest/bin/python -m pytest -m 'not faults and not slurm' $(TESTS)

setup: .venv/installed-test

clean:
	rm -rf .venv .venv-lowest build $(MODEL) $(MODEL:.zarr=.graph.zarr)

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "daskgraph needs Python 3.11 or later; name one with: make PYTHON=...")'
	$(PYTHON) -m venv .venv

.venv/installed: .venv/bin/python setup.cfg pyproject.toml
	$(PIP) --editable .
	@touch $@

.venv/installed-test: .venv/bin/python setup.cfg pyproject.toml
	$(PIP) --editable '.[test]'
	@touch $@ .venv/installed
