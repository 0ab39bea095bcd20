# make demo: Table 1 out of generated images.   make test: all checks.   make slurm: the workflow on a SLURM of this machine.   Needs Python 3.11.4 or newer, and make.
PYTHON ?= python3
CORES ?= 2
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: demo venv install lint test slurm clean

demo: venv
	$(BIN)/snakemake --cores $(CORES)
	@$(BIN)/python -c "from isic.tables import format_table, read_table; print(format_table(read_table('results/birds/table1.csv')))"
	@echo
	@echo "The table: results/birds/table1.csv   The pictures: results/birds/figures/"

venv install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11, 4) and 'ISIC needs Python 3.11.4 or newer; name one: make PYTHON=python3.12')"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

lint: venv
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

test: lint
	$(BIN)/pytest

# As root, on a Debian with munge, slurmctld, slurmd and slurm-client and no SLURM of its own.
slurm: venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt --editable '.[slurm]'
	tests/workflow/slurm.sh

clean:
	rm -rf results .snakemake .pytest_cache .ruff_cache
