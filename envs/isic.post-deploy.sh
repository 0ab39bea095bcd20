#!/usr/bin/env bash
# Run by Snakemake, in the folder that holds the Snakefile, once the conda environment stands.
set -euo pipefail
test -f pyproject.toml || { echo "isic: --sdm conda needs the repository, not the installed package." >&2; exit 1; }
python -m pip install --constraint constraints.txt --editable .
