# What the rules share: the checked settings, and how a rule asks for its files and options.
#
# What the files are called stands in isic/storage/layouts.py (`Files`), which of them a job takes in
# isic/settings/inputs.py, the options of its command in isic/settings/jobs.py, and the grammar of arms and runs
# (`lambda~1.0_gamma~0.3_seed~0`) in isic/settings/runs.py.

import os
import re
import sys
from functools import cache
from pathlib import Path

from isic.data.sources.listing import truth_state
from isic.data.sources.masked import images_state, masks_state
from isic.errors import InputError
from isic.process import WORKFLOW, end_with_the_workflow, identity, name_user
from isic.provenance.digests import code_digest
from isic.provenance.records import fingerprint
from isic.settings import inputs, jobs, runs
from isic.settings.check import check
from isic.storage.layouts import FIGURES, Files
from isic.storage.locks import lock

end_with_the_workflow()  # where `isic run` started this
# The `isic` command beside this Python, also where the virtual environment is not activated; and whose end ends
# the jobs, even if it is killed (`isic.process.end_with_the_workflow`).
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]),
    **{WORKFLOW: identity(os.getpid())},
)
name_user()  # for Snakemake, which asks for the name before it starts a job
# Where nobody reads Snakemake's output any more (`>&-`, `| head`, a terminal that is gone), `tee` still writes the log,
# and does not fail with it a job that is done.
shell.prefix("set -euo pipefail; trap '' PIPE; tee() {{ command tee \"$@\" || :; }}; ")


def or_exit(function, *arguments):
    """A function's result; what a person can fix ends the start, without a traceback."""
    try:
        return function(*arguments)
    except InputError as error:
        sys.exit(f"isic: {error}")


if not os.access(".", os.W_OK):
    sys.exit(
        f"isic: {os.getcwd()}: is read-only, and results go there. Make it writable, or work elsewhere: "
        "snakemake --directory FOLDER."
    )

DATASETS = or_exit(check, config)
# Address and checksum of each archive, by its file's name.
ARCHIVES = or_exit(inputs.archives, DATASETS)


def code(stage):
    """Digest of a stage's code: as a parameter, it reruns the stage when the code changes."""
    return or_exit(code_digest, stage)


def settings(wildcards):
    """All settings of the data set at hand."""
    if wildcards.dataset not in DATASETS:
        sys.exit(
            f"isic: results/{wildcards.dataset}: no such data set; the configuration has {', '.join(DATASETS)}. "
            "Add yours with --configfile, as config.yaml shows."
        )
    known_origin(wildcards.dataset)
    return DATASETS[wildcards.dataset]


@cache
def known_origin(dataset):
    """End the start where the results of this name are of another data set."""
    or_exit(inputs.check_origin, DATASETS[dataset], dataset)


def job(function, *names):
    """The options that a function of `jobs` gives for the settings and the wildcards of these names."""

    def of_job(wildcards):
        return function(settings(wildcards), *(wildcards[name] for name in names))

    return of_job


def files(function, *names):
    """The files that a function of `inputs` gives for the settings, the data set and the wildcards of these names."""

    def of_job(wildcards):
        own, dataset = settings(wildcards), wildcards.dataset
        return or_exit(function, own, dataset, *(wildcards[name] for name in names))

    return of_job


def indexed(wildcards):
    """The index, once it is made."""
    settings(wildcards)
    return checkpoints.index.get(dataset=wildcards.dataset).output.index


def index_digest(wildcards):
    """Digest of the index's bytes: as a parameter, it reruns what goes by the index when an image or label changes."""
    path = Path(Files.index.format(dataset=wildcards.dataset))
    return digest_of(path, path.stat().st_mtime_ns) if path.is_file() else ""


@cache
def digest_of(path, written):
    return fingerprint(path)


def source_state(state):
    """What a function of `listing` says of the data set's folder, once that is there."""
    of_folder = cache(
        state
    )  # one that is the user's: those that are made here may be made again

    def of_source(wildcards):
        own = settings(wildcards)
        root = Path(inputs.source_root(own, wildcards.dataset))
        look = of_folder if own.source.root else state
        return look(jobs.layout(own), root) if root.is_dir() else ""

    return of_source


def weights(section):
    """The file of a section's pretrained weights, or nothing for `none`."""

    def of_section(own, dataset):
        chosen = getattr(own, section).weights
        return inputs.weights(chosen, f"datasets.{dataset}.{section}.weights")

    return files(of_section)


def named(option, function):
    """`--option NAME=PATH` for each name and path that a function of `inputs` gives."""

    def of_job(own, dataset):
        return jobs.named(option, function(own, dataset))

    return files(of_job)


def archive_url(wildcards):
    return ARCHIVES[wildcards.archive][0]


def archive_options(wildcards):
    return jobs.options({"checksum": ARCHIVES[wildcards.archive][1]})


def deleted(wildcards):
    """What `everything` needs and was deleted since: Snakemake alone would not make it again.

    Not a function of `input`: of a parameter that is, Snakemake does not heed a change.
    """
    if not Path(Files.everything.format(dataset=wildcards.dataset)).exists():
        return []
    needed = expand([*rules.summary.input, *rules.summary.output], **wildcards)
    return [path for path in needed if not Path(path).exists()]


def shards(pattern):
    """An arm's files of all shards."""

    def of_arm(own, dataset, arm):
        return inputs.shards(own, pattern, dataset, arm)

    return files(of_arm, "arm")


def of_model(pattern):
    """The files of the arm that the model is of, of all shards if it has any."""

    def of_arm(own, dataset):
        return inputs.model_files(own, pattern, dataset)

    return files(of_arm)


def file_options(wildcards, input):
    """Inputs that a command takes as options, for as many files as there are."""
    names = (
        "similarity",
        "classifier",
        "directions",
        "masks",
        "weights",
        "baseline",
        "join",
    )
    given = ((name, path) for name in names for path in input.get(name, []))
    return " ".join(jobs.options({name: path}) for name, path in given)


def only(datasets):
    """Pattern that matches the given names and nothing else."""
    return "|".join(map(re.escape, datasets)) or r"(?!)"


def where(condition):
    """Pattern of the data sets whose settings meet a condition."""
    return only(name for name, own in DATASETS.items() if condition(own))


def gpus(wildcards):
    """GPUs of a training."""
    return settings(wildcards).gpus


def compute_threads(wildcards):
    """Threads of a computation. Fewer cores than that (`--cores`) change no result: they share them."""
    return settings(wildcards).threads


def launch(wildcards):
    """What starts a training's processes. A resource and not a parameter: results are the same, and stay."""
    count = gpus(wildcards)
    return f"python -m isic.training.launch {count} " if count > 1 else ""


wildcard_constraints:
    dataset=r"[^/]+",
    resize=r"\d+",
    arm=runs.ARM,
    network=f"{runs.PLAIN}|{runs.ARM}",
    kind="|".join(runs.KINDS),
    seed=r"\d+",
    table=r"[234]",
    shard=r"\d+",
