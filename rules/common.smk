# What the rules share: the checked settings, and the functions that find a job's inputs and options in them.
#
# A path holds what a run sweeps: `lambda~1.0_gamma~0.3_seed~0` is an arm (a classifier and all that follows from
# it), `plain_seed~0` the plain network, either of them a network, and a network with a kind of map is a run.
# Functions named in `input:` and `params:` take the wildcards. Those that end in `_options` give one string.

import json
import math
import os
import re
import sys
from pathlib import Path

from isic.provenance.digests import code_digest
from isic.errors import InputError
from isic.storage.locks import lock
from isic.settings.check import check, named_weights, options, portable

from snakemake.exceptions import WorkflowError

# The `isic` command beside this Python, also where the virtual environment is not activated; and whose end ends
# the jobs, even if it is killed (`isic.process.end_with_the_workflow`).
os.environ.update(
    PATH=os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]),
    ISIC_WORKFLOW=str(os.getpid()),
)

ARM = r"lambda~0_seed~\d+|lambda~[\d.e-]+_gamma~[\d.e-]+_seed~\d+"
NEVER = r"(?!)"


def or_exit(function, *arguments):
    """A function's result; what a person can mend ends the start, without a traceback."""
    try:
        return function(*arguments)
    except InputError as error:
        sys.exit(f"isic: {error}")


if not os.access(".", os.W_OK):
    sys.exit(
        f"isic: {os.getcwd()}: is read-only, and results go there. Make it writable, or work elsewhere: "
        "snakemake --directory FOLDER."
    )

DATASETS = or_exit(check, config, Path(workflow.basedir, "schemas/config.schema.yaml"))


def code(stage):
    """Digest of a stage's code: as a parameter, it reruns the stage when the code changes."""
    return or_exit(code_digest, stage)


def settings(wildcards):
    """All settings of the data set at hand."""
    if wildcards.dataset not in DATASETS:
        raise WorkflowError(
            f"results/{wildcards.dataset}: no such data set; the configuration has {', '.join(DATASETS)}. "
            "Add yours with --configfile, as config.yaml shows."
        )
    return DATASETS[wildcards.dataset]


def only(datasets):
    """Pattern that matches the given names and nothing else."""
    return "|".join(map(re.escape, datasets)) or NEVER


def file_options(wildcards, input):
    """Inputs that a command takes as options, for as many files as there are."""
    names = ("similarity", "classifier", "directions", "masks", "weights", "baseline")
    files = ((name, path) for name in names for path in input.get(name, []))
    return " ".join(options({name: path}) for name, path in files)


# Source and images


def from_archive(source):
    return source["type"] != "birds" and not source["root"]


def archive(source):
    return source["url"].rpartition("/")[2]


GENERATED = [name for name, own in DATASETS.items() if own["source"]["type"] == "birds"]
UNPACKED = [name for name, own in DATASETS.items() if from_archive(own["source"])]
ARCHIVES = {
    archive(DATASETS[name]["source"]): DATASETS[name]["source"] for name in UNPACKED
}


def source_root(wildcards):
    """Folder of the data set: the user's own, or the one that a rule makes."""
    source = settings(wildcards)["source"]
    if source["type"] == "birds" or from_archive(source):
        return f"results/{wildcards.dataset}/source"
    if not Path(source["root"]).is_dir():
        raise WorkflowError(
            f"datasets.{wildcards.dataset}.source.root: no folder {source['root']}. "
            "Put the data set there, or name the folder that holds it."
        )
    return source["root"]


def source_contents(wildcards):
    """What changes when images or annotations are added to a user's folder, or taken from it."""
    root = source_root(wildcards)
    if root != settings(wildcards)["source"]["root"]:
        return []
    folders = [
        path
        for path in (*Path(root).glob("*/"), *Path(root).glob("*/*/"))
        if path.is_dir()
    ]
    tables = [
        path for name in ("*.csv", "*.txt", "*/*.txt") for path in Path(root).glob(name)
    ]
    return sorted(map(str, folders + tables))


def source_archive(wildcards):
    return f"data/{archive(settings(wildcards)['source'])}"


def birds_options(wildcards):
    source = settings(wildcards)["source"]
    names = ("genera", "species", "train_images", "test_images", "size", "seed")
    return options({name: source[name] for name in names})


def archive_url(wildcards):
    return ARCHIVES[wildcards.archive]["url"]


def archive_options(wildcards):
    return options({"checksum": ARCHIVES[wildcards.archive]["checksum"]})


def source_url(wildcards):
    return settings(wildcards)["source"]["url"]


def source_options(wildcards):
    return options({"checksum": settings(wildcards)["source"]["checksum"]})


def index_options(wildcards):
    own = settings(wildcards)
    layout = own["source"]["type"]
    layout = "folder" if layout == "birds" else layout
    return options({"type": layout, "unreadable": own["images"]["unreadable"]})


def stored_as(store):
    """Pattern of the data sets whose images are kept in this way."""
    return only(
        name for name, own in DATASETS.items() if own["images"]["store"] == store
    )


def images_options(wildcards):
    """The size; where only a network that is not trained here sees it, the images that get boxes are enough."""
    own = settings(wildcards)
    size = int(wildcards.resize)
    for_topk = size != own["images"]["resize"] and own["recognizer"]["epochs"] == 0
    return f"--resize {size}{' --tested' * for_topk}"


def image_shard_options(wildcards):
    count = settings(wildcards)["images"]["shards"]
    return f"{images_options(wildcards)} --shard {wildcards.shard} --shards {count}"


def image_shards(wildcards):
    count = settings(wildcards)["images"]["shards"]
    return collect(
        "results/{dataset}/images~{resize}/{shard}.h5", **wildcards, shard=range(count)
    )


def packed(wildcards):
    """The data set's images at the size of all stages but a recognizer with a size of its own."""
    resize = settings(wildcards)["images"]["resize"]
    return expand(rules.images.output.images, dataset=wildcards.dataset, resize=resize)


def weights(name):
    """Function that gives the file of a section's pretrained weights, or nothing for `none`."""

    def weights_file(wildcards):
        chosen = settings(wildcards)[name]["weights"]
        if chosen == "none":
            return []
        if named_weights(chosen):
            return expand(rules.weights.output.weights, weights=chosen)
        if not Path(chosen).is_file():
            raise WorkflowError(
                f"datasets.{wildcards.dataset}.{name}.weights: no file {chosen}. Put a torchvision state dict there, "
                "give one of torchvision's names (ResNet50_Weights.IMAGENET1K_V1), which is downloaded, or none."
            )
        return [chosen]

    return weights_file


# Networks


def first_seed(wildcards):
    return settings(wildcards)["seeds"][0]


def arm(wildcards, seed, lam=None, gamma=None):
    """An arm's part of the path; λ = 0 does not depend on γ and so does not name it."""
    classifier = settings(wildcards)["classifier"]
    lam = classifier["lam"] if lam is None else lam
    gamma = classifier["gamma"] if gamma is None else gamma
    return (
        f"lambda~{float(lam)}_gamma~{float(gamma)}_seed~{seed}"
        if lam
        else f"lambda~0_seed~{seed}"
    )


def parsed(network):
    """The values in an arm's or network's part of a path, as text."""
    return dict(part.split("~") for part in network.split("_") if "~" in part)


def gpus(wildcards):
    """GPUs of a training."""
    return settings(wildcards)["gpus"]


def launch(wildcards):
    """What starts a training's processes. A resource and not a parameter: results are the same, and stay."""
    count = gpus(wildcards)
    return f"python -m isic.training.launch {count} " if count > 1 else ""


def of_training(wildcards, seed):
    """What the trainings of a data set's networks have in common."""
    own = settings(wildcards)
    crop, deterministic = own["images"]["crop"], own["deterministic"]
    return {"seed": seed, "crop": crop, "deterministic": deterministic}


def classifier_similarity(wildcards):
    """Similar classes matter to the loss where λ > 0, and to all arms' batches where these go by S."""
    random = settings(wildcards)["classifier"]["batches"] == "random"
    if random and parsed(wildcards.arm)["lambda"] == "0":
        return []
    return expand(rules.similarity.output.similarity, dataset=wildcards.dataset)


def classifier_options(wildcards):
    """The arm's λ, γ and seed, and the section's other settings; at λ = 0 no γ, which is about ICFS alone."""
    values = dict(settings(wildcards)["classifier"])
    swept = parsed(wildcards.arm)
    icfs = {"lam": swept["lambda"], "gamma": swept.get("gamma")}
    return options(
        values | icfs | {"weights": None} | of_training(wildcards, swept["seed"])
    )


def similarity_weights(wildcards):
    return weights("classifier")(wildcards)


def similarity_classifier(wildcards):
    """Without pretrained weights, the λ = 0 classifier's own vectors take their place."""
    if settings(wildcards)["classifier"]["weights"] != "none":
        return []
    baseline = arm(wildcards, first_seed(wildcards), lam=0)
    return expand(
        rules.classifier.output.network, dataset=wildcards.dataset, arm=baseline
    )


def similarity_options(wildcards):
    own = settings(wildcards)
    pretrained = own["classifier"]["weights"] != "none"
    backbone = own["classifier"]["backbone"] if pretrained else None
    return options(
        {**own["similarity"], "crop": own["images"]["crop"], "backbone": backbone}
    )


def features_options(wildcards):
    own = settings(wildcards)
    return options(
        {
            "shards": own["features"]["shards"],
            "shard": wildcards.shard,
            "crop": own["images"]["crop"],
            "precision": own["classifier"]["precision"],
        }
    )


def features_on_disk(which):
    """Pattern of the data sets of which `all` or `some` feature maps are on disk at a time."""
    return only(
        name
        for name, own in DATASETS.items()
        if (own["features"]["on_disk"] is None) == (which == "all")
    )


def earlier_masks(wildcards):
    """The masks whose features make room for this shard's."""
    earlier = int(wildcards.shard) - settings(wildcards)["features"]["on_disk"]
    if earlier < 0:
        return []
    return collect(
        "results/{dataset}/{arm}/masks/{shard}.h5",
        dataset=wildcards.dataset,
        arm=wildcards.arm,
        shard=earlier,
    )


def directions_options(wildcards):
    return options(settings(wildcards)["directions"])


def masks_options(wildcards):
    own = settings(wildcards)
    return options(own["masks"] | {"size": own["images"]["resize"]})


def segmenter_options(wildcards):
    values = settings(wildcards)["segmenter"] | {"weights": None}
    return options(values | of_training(wildcards, parsed(wildcards.arm)["seed"]))


def shards(pattern):
    """Function that gives an arm's files of all shards."""

    def shard_files(wildcards):
        count = settings(wildcards)["features"]["shards"]
        return expand(
            pattern, dataset=wildcards.dataset, arm=wildcards.arm, shard=range(count)
        )

    return shard_files


def plain_options(wildcards):
    """The plain network is trained as the classifier is, images drawn at random."""
    values = settings(wildcards)["classifier"]
    fusion = ("weights", "channels", "lam", "gamma", "batches")
    size = ("classes_per_batch", "images_per_class")
    chosen = {name: values[name] for name in values if name not in fusion + size}
    chosen["batch_size"] = math.prod(values[name] for name in size)
    return options({**chosen, **of_training(wildcards, wildcards.seed)})


def topk_view(wildcards):
    """Size and crop of the images of the network that names the classes."""
    own = settings(wildcards)
    return own["recognizer" if own["recognizer"]["backbone"] else "images"]


def recognizer_images(wildcards):
    """The images at the size that the network which names the classes is made for."""
    resize = topk_view(wildcards)["resize"]
    return expand(rules.images.output.images, dataset=wildcards.dataset, resize=resize)


def recognizer_options(wildcards):
    values = settings(wildcards)["recognizer"] | {"weights": None, "resize": None}
    return options(of_training(wildcards, first_seed(wildcards)) | values)


def recognizer_network(wildcards):
    """The recognizer, or the plain network where the settings name none."""
    if settings(wildcards)["recognizer"]["backbone"]:
        return expand(rules.recognizer.output.network, dataset=wildcards.dataset)
    return expand(
        rules.plain.output.network,
        dataset=wildcards.dataset,
        seed=first_seed(wildcards),
    )


def topk_options(wildcards):
    own = settings(wildcards)
    network = "recognizer" if own["recognizer"]["backbone"] else "classifier"
    crop = topk_view(wildcards)["crop"]
    return options({"k": 5, "crop": crop, "precision": own[network]["precision"]})


# Runs


def is_plain(network):
    return network.startswith("plain")


def map_network(wildcards):
    """The network whose maps a run has."""
    if is_plain(wildcards.network):
        seed = parsed(wildcards.network)["seed"]
        return expand(rules.plain.output.network, dataset=wildcards.dataset, seed=seed)
    source = rules.segmenter if wildcards.kind == "segmenter" else rules.classifier
    return expand(
        source.output.network, dataset=wildcards.dataset, arm=wildcards.network
    )


def map_directions(wildcards):
    if wildcards.kind != "nmf":
        return []
    count = settings(wildcards)["features"]["shards"]
    pattern = rules.directions.output.directions
    return expand(
        pattern, dataset=wildcards.dataset, arm=wildcards.network, shard=range(count)
    )


def map_section(wildcards):
    """Section of the network whose maps a run has."""
    return settings(wildcards)[
        "segmenter" if wildcards.kind == "segmenter" else "classifier"
    ]


def map_options(wildcards):
    crop, precision = (
        settings(wildcards)["images"]["crop"],
        map_section(wildcards)["precision"],
    )
    return options({"kind": wildcards.kind, "crop": crop, "precision": precision})


def map_kind(wildcards):
    """The run's name in the section `boxes`: the CAM of the fused map has a cut of its own."""
    fused = wildcards.kind == "cam" and not is_plain(wildcards.network)
    return "fused_cam" if fused else wildcards.kind


def threshold(wildcards):
    """Where the run's maps are cut."""
    return settings(wildcards)["boxes"][map_kind(wildcards)]


def boxes_options(wildcards):
    return options({"threshold": threshold(wildcards)})


def view_options(wildcards):
    own = settings(wildcards)
    images = own["images"]
    return options(
        {**own["scores"], "resize": images["resize"], "crop": images["crop"]}
    )


def scores_options(wildcards):
    """How the run is called in Table 1, and how its boxes came about."""
    swept = parsed(wildcards.network)
    icfs = swept.get("lambda", "0") != "0"
    model = {
        "cam": (
            "CAM" if is_plain(wildcards.network) else "BASE+ICFS" if icfs else "BASE"
        ),
        "nmf": "BASE+ICFS+NMF" if icfs else "BASE+NMF",
        "segmenter": "ISIC (this run)" if icfs else "ISIC without ICFS (this run)",
    }[wildcards.kind]
    of = {
        "cam": "of the maximum",
        "fused_cam": "times the mean",
        "nmf": "times the class's mean",
        "segmenter": "of the sigmoid",
    }[map_kind(wildcards)]
    heading = {
        "model": model,
        "lam": swept.get("lambda"),
        "gamma": swept.get("gamma"),
        "backbone": map_section(wildcards)["backbone"],
        "threshold_rule": f"fixed: {threshold(wildcards)} {of}",
        "seed": swept["seed"],
    }
    return f"{options(heading)} {view_options(wildcards)}"


def table1_runs(wildcards, seed):
    """Rows of Table 1 that need a network, by model: CAM, BASE, ISIC."""
    return {
        "CAM": f"plain_seed~{seed}_cam",
        "BASE": f"{arm(wildcards, seed, lam=0)}_cam",
        "ISIC": f"{arm(wildcards, seed)}_segmenter",
    }


def run_scores(wildcards, runs):
    """Scores of runs, of each once."""
    return expand(
        "results/{dataset}/{run}/scores.json",
        dataset=wildcards.dataset,
        run=dict.fromkeys(runs),
    )


def table1_scores(wildcards):
    seeds = settings(wildcards)["seeds"]
    runs = [run for seed in seeds for run in table1_runs(wildcards, seed).values()]
    return run_scores(wildcards, runs)


def published(wildcards, covered):
    """Published rows stand beside the data sets that a table of the paper covers, by name."""
    return {"published": wildcards.dataset if wildcards.dataset in covered else "none"}


def table1_options(wildcards):
    return options(published(wildcards, ("cub", "imagenet")))


def ablation_runs(wildcards, seed):
    """Rows of Table 2 (components), 3 (λ) or 4 (γ); the last two are CAM boxes of the classifier."""
    swept = settings(wildcards)["tables"]
    if wildcards.table == "2":
        networks = arm(wildcards, seed, lam=0), arm(wildcards, seed)
        kinds = ("cam", "nmf", "segmenter")
        return [f"{network}_{kind}" for kind in kinds for network in networks]
    if wildcards.table == "3":
        return [f"{arm(wildcards, seed, lam=lam)}_cam" for lam in swept["lam"]]
    return [f"{arm(wildcards, seed, gamma=gamma)}_cam" for gamma in swept["gamma"]]


def ablation_scores(wildcards):
    seeds = settings(wildcards)["seeds"]
    runs = [run for seed in seeds for run in ablation_runs(wildcards, seed)]
    return run_scores(wildcards, runs)


def ablation_baseline(wildcards):
    """Scores of BASE, to which the tables state each row's difference, where it is no row itself."""
    seeds = settings(wildcards)["seeds"]
    base = [f"{arm(wildcards, seed, lam=0)}_cam" for seed in seeds]
    rows = ablation_scores(wildcards)
    return [path for path in run_scores(wildcards, base) if path not in rows]


def ablation_options(wildcards):
    return options({"table": wildcards.table, **published(wildcards, ("cub",))})


def gamma_options(wildcards):
    return options({"gamma": settings(wildcards)["classifier"]["gamma"]})


def compared_arms(wildcards):
    """Arms of Figures 4d and 4e, all seeds: without ICFS and with it; label and part of the path."""
    lams = dict.fromkeys((0, settings(wildcards)["classifier"]["lam"]))
    return [
        (f"λ = {lam:g}", arm(wildcards, seed, lam=lam))
        for lam in lams
        for seed in settings(wildcards)["seeds"]
    ]


def compared_curves(wildcards):
    return expand(
        rules.classifier.output.curves,
        dataset=wildcards.dataset,
        arm=[name for _, name in compared_arms(wildcards)],
    )


def loss_curves_options(wildcards, input):
    """`--curves` once for each arm and seed."""
    labels = (label for label, _ in compared_arms(wildcards))
    files = zip(labels, input.curves, strict=True)
    return " ".join(options({"curves": f"{label}={path}"}) for label, path in files)


def figure_runs(wildcards):
    """Columns of Figure 5: the rows of Table 1, and before ISIC the maps that its masks come from."""
    seed = first_seed(wildcards)
    runs = table1_runs(wildcards, seed)
    isic = {"NMF": f"{arm(wildcards, seed)}_nmf", "ISIC": runs.pop("ISIC")}
    return (runs | isic).items()


def figure_inputs(wildcards):
    runs = [run for _, run in figure_runs(wildcards)]
    files = ("maps.h5", "boxes.csv")
    return expand(
        "results/{dataset}/{run}/{file}",
        dataset=wildcards.dataset,
        run=runs,
        file=files,
    )


def figure_options(wildcards):
    """`--run` once for each column of the figure."""
    columns = (
        f"{name}=results/{wildcards.dataset}/{run}"
        for name, run in figure_runs(wildcards)
    )
    return " ".join(options({"run": column}) for column in columns)


# What people use


def model_arm(wildcards):
    """The arm whose segmenter the model has, and whose pseudo-masks are looked at."""
    return arm(wildcards, first_seed(wildcards))


def of_model(pattern):
    """Function that gives the files of that arm, of all shards if it has any."""

    def files(wildcards):
        count = settings(wildcards)["features"]["shards"]
        names = {"dataset": wildcards.dataset, "arm": model_arm(wildcards)}
        return list(dict.fromkeys(expand(pattern, **names, shard=range(count))))

    return files


def checked_features(wildcards):
    """Feature maps, to cut an image at several thresholds, where they are kept."""
    if settings(wildcards)["features"]["on_disk"] is not None:
        return []
    return of_model(rules.features.output.features)(wildcards)


def model_folder(wildcards):
    return f"results/{wildcards.dataset}/{model_arm(wildcards)}"


def model_recognizer(wildcards):
    """The recognizer, or, where the settings name none, the classifier: it is there already."""
    if settings(wildcards)["recognizer"]["backbone"]:
        return expand(rules.recognizer.output.network, dataset=wildcards.dataset)
    return of_model(rules.classifier.output.network)(wildcards)


def model_options(wildcards):
    own = settings(wildcards)
    named = "recognizer" if own["recognizer"]["backbone"] else "classifier"
    seen = {**topk_view(wildcards), "precision": own[named]["precision"]}
    values = {
        "threshold": own["boxes"]["segmenter"],
        "resize": own["images"]["resize"],
        "crop": own["images"]["crop"],
        "precision": own["segmenter"]["precision"],
    }
    for name in ("resize", "crop", "precision"):
        values[f"recognizer_{name}"] = seen[name]
    return options(values)


# Report


def summary_options(wildcards):
    """The settings, for the page to show; as a parameter, they make the page again when one changes."""
    return options({"settings": json.dumps(portable(settings(wildcards)))})


wildcard_constraints:
    dataset=r"[^/]+",
    resize=r"\d+",
    arm=ARM,
    network=rf"plain_seed~\d+|{ARM}",
    kind=r"cam|nmf|segmenter",
    seed=r"\d+",
    table=r"[234]",
    shard=r"\d+",


def deleted(wildcards):
    """What `everything` needs and was deleted since: Snakemake alone would not make it again.

    Not a function of `input`: of a parameter that is, Snakemake does not heed a change.
    """
    if not Path(f"results/{wildcards.dataset}/all").exists():
        return []
    needed = expand([*rules.summary.input, *rules.summary.output], **wildcards)
    return [path for path in needed if not Path(path).exists()]
