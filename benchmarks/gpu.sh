#!/bin/sh
# The GPU suite, for a machine with PyTorch 2.11 or newer, one GPU and no network. See README.md.
#   benchmarks/gpu.sh wheels FOLDER [MORE …]   with a network, beforehand: what such a machine lacks
#   WHEELS=FOLDER OUT=FOLDER benchmarks/gpu.sh [STEP …]
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-python3}

# Of ISIC's requirements, those that PyTorch's machines seldom have. None of them brings torch.
lacking="annotated-types argparse-dataclass click conda-inject configargparse docutils dpath
fastjsonschema gitdb gitpython greenlet humanfriendly immutables jsonschema jsonschema-specifications jupyter-core
nbformat pillow-heif platformdirs pulp pycocotools pydantic pydantic-core referencing rpds-py smart-open smmap
snakemake snakemake-interface-common snakemake-interface-executor-plugins snakemake-interface-logger-plugins
snakemake-interface-report-plugins snakemake-interface-scheduler-plugins snakemake-interface-storage-plugins
sqlalchemy sqlmodel tenacity throttler timm traitlets typing-inspection yte"

if [ "${1-}" = wheels ]; then
    folder=$2
    shift 2
    for minor in 17 24 27 28; do set -- "$@" --platform "manylinux_2_${minor}_x86_64"; done
    # shellcheck disable=SC2086 # a word a package
    "$python" -m pip download --no-deps --only-binary=:all: --python-version "${FOR_PYTHON:-3.12}" \
        --platform manylinux2014_x86_64 --platform manylinux1_x86_64 --constraint "$root/constraints.txt" \
        --dest "$folder" $lacking "$@"
    "$python" -m pip wheel --no-deps --constraint "$root/constraints.txt" --wheel-dir "$folder" connection-pool
    size=$(du -sm "$folder" | cut -f1)
    echo "$folder: $size MiB"
    [ "$size" -le 60 ] || { echo "$folder: more than 60 MiB" >&2; exit 1; }
    exit
fi

if [ -n "${WHEELS-}" ]; then
    # Beside the machine's own packages, which stay as they are.
    place=$(mktemp -d)
    trap 'rm -rf "$place"' EXIT
    "$python" -m venv --without-pip "$place"
    "$python" -c 'import sys; print(*filter(None, sys.path), sep="\n")' > "$place/machine.pth"
    mv "$place/machine.pth" "$place"/lib/python3*/site-packages/
    "$python" -m pip --python "$place/bin/python" install --quiet --no-index --find-links "$WHEELS" --no-deps \
        --ignore-installed "$WHEELS"/*.whl
    printf '#!%s\nfrom isic.cli import main\n\nmain()\n' "$place/bin/python" > "$place/bin/isic"
    chmod +x "$place/bin/isic"
    PATH=$place/bin:$PATH
    python=$place/bin/python
fi
PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH} "$python" "$root/benchmarks/gpu.py" "$@"
