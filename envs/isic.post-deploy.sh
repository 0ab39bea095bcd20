#!/usr/bin/env bash
# Run by Snakemake, in the folder that holds the Snakefile, once the conda environment stands.
set -euo pipefail
python -m pip install --constraint constraints.txt --editable .
