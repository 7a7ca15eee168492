PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-all check bench-policies clean

demo: $(STAMP)  ## Train and score a 24-class subset of Glyphs, then rebuild the leaderboard.
	$(BIN)/dlth-bench run --subset subsets/glyphs/demo-24.txt
	$(BIN)/dlth-bench submit --subset subsets/glyphs/demo-24.txt --name demo --policy rs --replace
	$(BIN)/dlth-bench leaderboard

test: $(STAMP)  ## The tests, minutes on two cores.
	$(BIN)/python -m pytest -n 2

test-all: $(STAMP)  ## The tests that train or simulate for minutes, too; on a Slurm of two nodes where one can be started.
	$(BIN)/python -m pytest -n 2 -m ""
	tests/slurm/run.sh $(BIN)/python

check: $(STAMP)  ## Lint, format and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-policies: $(STAMP)  ## Time and memory of every selection policy on input as large as ImageNet-1K; 2 GB in /tmp.
	$(BIN)/python tests/speed/selection_policies.py

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

clean:  ## Everything but the store of runs.
	rm -rf $(VENV) build dist
