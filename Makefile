PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE := $(VENV)/.installed
DEV := $(VENV)/.installed-dev
OLDEST := .venv-oldest
DEMO := runs/demo
# With the oldest versions: the tests of all folders, but of training a few, and none that takes long without need.
TRAINING := $(addprefix tests/training/,test_flops.py test_optim.py methods/test_mae.py methods/test_dino.py methods/test_moco.py)
QUICK := $(filter-out $(addprefix tests/,engines/ slurm/ speed/ training/),$(wildcard tests/*/)) $(TRAINING)
SLOWER := $(addprefix tests/,board/test_own_board.py board/test_standing.py cli/test_embed_classes.py cli/test_smoke.py)

.PHONY: demo test test-all test-oldest check bench-policies install install-oldest clean

demo: $(BASE)  ## Train and score a 24-class subset of Glyphs, and make a board of it and the shipped ones.
	$(BIN)/dlth-bench run --subset subsets/glyphs/demo-24.txt
	@rm -rf $(DEMO) && mkdir -p $(DEMO)/submissions && cp -R submissions/glyphs-ssl $(DEMO)/submissions/
	$(BIN)/dlth-bench submit --subset subsets/glyphs/demo-24.txt --name demo --policy rs --submissions $(DEMO)/submissions
	$(BIN)/dlth-bench leaderboard --submissions $(DEMO)/submissions --output $(DEMO)/leaderboard.md --site $(DEMO)/site
	@printf '%s\n' '' 'The board is $(DEMO)/leaderboard.md, and $(DEMO)/site/index.html for a browser. Try next:' '' \
	'  $(BIN)/dlth-bench select rs --size 24 --seed 7 -o mine.txt   # another subset: at random, or your own list' \
	'  $(BIN)/dlth-bench run --subset mine.txt --dry-run            # what it would train, and how long it would take' \
	'  $(BIN)/dlth-bench run --subset demo-24 -p glyphs-supervised  # does the subset rank supervised recipes, too?' \
	'  $(BIN)/dlth-bench protocols list                             # other grids, up to ImageNet'

test: $(DEV)  ## The tests, minutes on two cores.
	$(BIN)/python -m pytest -n 2

test-all: $(DEV)  ## The tests that train or simulate for minutes, too; on a Slurm of two nodes where one can be started.
	$(BIN)/python -m pytest -n 2 -m ""
	tests/slurm/run.sh $(BIN)/python

test-oldest: $(OLDEST)/.installed  ## The quicker tests with the oldest versions that pyproject.toml admits.
	$(OLDEST)/bin/python -m pytest -n 2 $(QUICK) $(addprefix --ignore=,$(SLOWER))

check: $(DEV)  ## Lint, format and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench-policies: $(DEV)  ## Time and memory of every selection policy on input as large as ImageNet-1K; 2 GB in /tmp.
	$(BIN)/python tests/speed/selection_policies.py

install: $(DEV)  ## The package and all that its tests need, into .venv.

install-oldest: $(OLDEST)/.installed  ## The oldest versions, on Python 3.11 or 3.12, into .venv-oldest.

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(BASE): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(DEV): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $(BASE) $@

$(OLDEST)/.installed: pyproject.toml tests/oldest.py
	$(PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade pip
	$(OLDEST)/bin/python tests/oldest.py > $(OLDEST)/constraints.txt
	$(OLDEST)/bin/python -m pip install --quiet -c $(OLDEST)/constraints.txt -e '.[datasets,slurm]' \
		hypothesis pytest pytest-xdist
	touch $@

clean:  ## Everything but the store of runs.
	rm -rf $(VENV) $(OLDEST) build dist
