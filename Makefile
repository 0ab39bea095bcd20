# make demo: Table 1 out of generated images.   make check: the quick checks.   make test: all checks.
# make coverage: which lines the quick tests run.   make slurm: the workflow on a SLURM of this machine.
# CPU=1 installs torch without CUDA.   Needs Python 3.11.4 or newer, and make.
PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt
WHEELS := https://download.pytorch.org/whl/cpu
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo venv install lint check test coverage slurm clean

demo: venv
	$(BIN)/snakemake --cores $(CORES)
	@$(BIN)/python -c "from isic.evaluation.tables.printing import format_table, read_table; print(format_table(read_table('results/birds/table1.csv')))"
	@echo
	@echo "The table: results/birds/table1.csv   The pictures: results/birds/figures/"

venv install: .venv/installed

# +cpu is in the versions of torch and torchvision without CUDA, and in no others. macOS has only those, without it.
.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11, 4) and 'ISIC needs Python 3.11.4 or newer; name one: make PYTHON=python3.12')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
ifneq ($(CPU),)
	test "$$(uname)" != Linux || $(PIP) --quiet --no-deps --timeout 10 --retries 1 --index-url $(WHEELS) \
	    $$(grep -E '^torch(vision)?==' constraints.txt | sed 's/$$/+cpu/') 2>/dev/null \
	    || echo "No torch without CUDA from $(WHEELS): the ordinary one instead, about 6 GB."
endif
	$(PIP) --editable '.[dev]'
	touch $@

lint: venv
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports
	$(BIN)/mypy

check: lint
	$(BIN)/pytest -m 'not slow'

test: lint
	$(BIN)/pytest

coverage: venv
	$(BIN)/pytest -m 'not slow' --cov --cov-report term

# As root, on a Debian with munge, slurmctld, slurmd and slurm-client and no SLURM of its own.
slurm: venv
	$(PIP) --quiet --editable '.[slurm]'
	tests/workflow/slurm.sh

clean:
	rm -rf results .snakemake .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .coverage*
