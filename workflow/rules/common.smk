"""What rules of several files share: names, wildcards, and where things lie."""

import csv
import os
import re
from importlib.metadata import version
from math import ceil
from pathlib import Path

from explainct.config import methods
from explainct.config.compared import COMPARED
from explainct.learning.losses.registry import LOSSES
from explainct.runtime.code_hash import ROOT, all_hashes, code_hash
from explainct.data.datasets.dataset import module_of
from explainct.data.datasets.fingerprint import folders_state
from explainct.data.datasets.registry import dataset_of, downloads
from explainct.data.ingest.sample_sheet import read_sheet
from explainct.runtime.gpu_slots import has_gpu
from explainct.runtime.snakemake_internals import is_main_process, runs_jobs_here
from explainct.runtime.requests import growing

DATASET = config["dataset"]
RESULTS = f"results/{DATASET}"
# The jobs that made the results, as written when a run starts.
JOB_LIST = f"{RESULTS}/logs/jobs.json"
STUDY = "results/lidc_contours/due/interpolation_study"


pathvars:
    results=RESULTS,
    logs=f"{RESULTS}/logs",
    benchmarks=f"{RESULTS}/benchmarks",
    classifiers=f"{RESULTS}/classifiers/{TASK}",
    study=STUDY,
    annotation_study=f"{RESULTS}/due/annotation_study",
    informer=f"{RESULTS}/informer",
    gax=f"{RESULTS}/gax",
    cfalign=f"{RESULTS}/cfalign",


ARCHIVES = {
    name: folder for name, folder in config["ingest"]["archives"].items() if folder
}
try:
    SOURCE = dataset_of(ARCHIVES)
except UserError as error:
    raise WorkflowError(str(error)) from None
if SOURCE.generated:
    ARCHIVES = {archive.name: f"{RESULTS}/dicom" for archive in SOURCE.archives}
COHORT = SOURCE.cohort.format(dataset=DATASET)
PUBLISHED = SOURCE.published
INDEX = {name: SOURCE.archive(name).index for name in ARCHIVES}
# How many scans there should be, not how many there are: a scan more or less must not move patients to other shards.
SCANS = (
    config["ingest"]["demo_patients"] + 1
    if SOURCE.generated
    else sum(SOURCE.archive(name).scans for name in ARCHIVES)
)
SHARDS = range(ceil(SCANS / config["samples"]["scans_per_shard"]))
METHODS = config["train"]["methods"]
REFERENCE = "due" if "due" in METHODS else METHODS[0]
SEEDS = config["train"]["seeds"]
CONFIDENCE = config["confidence"]
FIRST_STUDIED = CONFIDENCE["methods"][0]
# All methods that can be trained by what is asked for: those of Table 1, and those of the confidence study.
KNOWN_METHODS = sorted({*METHODS, "baseline", *CONFIDENCE["methods"]})
DOWNLOADS = downloads()
THREADS = config["train"]["threads"]
# The runs of a method with all seeds, on the annotation as it is, and on the thinned annotation of the study.
RUN = "<classifiers>/{method}/n{n}_lambda{lam}"
THINNED_RUN = "<annotation_study>/{outlines}_{slices}/{method}/n{n}_lambda{lam}"
MODELS, HISTORIES, THINNED_MODELS, THINNED_HISTORIES = (
    expand(f"{run}/seed{{seed}}/{name}", seed=SEEDS, allow_missing=True)
    for run in (RUN, THINNED_RUN)
    for name in ("model.pt", "history.csv")
)
# A regular expression that nothing matches.
NOTHING = "(?!)"


wildcard_constraints:
    shard=r"\d+",
    method="|".join(KNOWN_METHODS),
    n=r"\d+",
    lam=r"[0-9.e+-]+",
    seed=r"\d+",
    outlines="consensus|single",
    slices=r"\d+|all",
    compared="|".join(sorted(COMPARED)),


# Whether rules with `cache` use it; patients' own images must not lie in a folder that others read.
CACHED = "SNAKEMAKE_OUTPUT_CACHE" in os.environ and (
    SOURCE.generated or (SOURCE.public and config["ingest"]["public"])
)
# The cache's key holds parameters and code, but neither wildcards nor what is installed: those rules name both.
SOFTWARE = {name: version(name) for name in ("h5py", "monai", "numpy", "torch")}


# Jobs that ask for the machine's one GPU run one after the other, so they must not ask where it shows none.
NO_GPU = config["device"] == "cpu" or (
    config["device"] == "auto"
    and is_main_process(workflow)
    and runs_jobs_here(workflow)
    and not has_gpu()
)


def asks(rule):
    """Return what a job of `rule` asks for, as the settings' table has it; for no GPU where `NO_GPU` says so."""
    request = REQUESTS[rule]
    gpu = 0 if NO_GPU else request.gpu
    asked = {
        "mem_mb": growing(request.mem_mb),
        "runtime": growing(request.runtime),
    }
    if request.disk_mb:
        asked["disk_mb"] = request.disk_mb
    if gpu:
        gres = config["cluster"]["gres"]
        asked.update({"gres": gres} if gres else {"gpu": gpu})
    if partition := config["cluster"]["gpu_partition" if gpu else "cpu_partition"]:
        asked["slurm_partition"] = partition
    return asked


def archives_state(wildcards):
    """Return a hash of all files in the archives: paths, sizes and times; nothing where the workflow makes them."""
    return "" if SOURCE.generated else folders_state(ARCHIVES.values())


def fill_cases():
    """Return the scans to fill by the folder of their results: the rows of the sheet, or the one scan of the settings."""
    fill = config["fill"]
    if not fill["sheet"]:
        case = {
            **pick("fill", "scan", "annotation", "roi", "slices"),
            "cells": {},
        }
        return {fill["name"]: case}
    try:
        samples = read_sheet(Path(fill["sheet"]))
    except UserError as error:
        raise WorkflowError(str(error)) from None
    return {
        f"{fill['name']}/{sample.name}": {
            "scan": str(sample.image),
            "annotation": str(sample.annotation),
            "roi": sample.lesion,
            "slices": list(sample.slices),
            "cells": dict(sample.cells),
        }
        for sample in samples
    }


def fill_arguments(wildcards):
    """Return what the filling of a user's scan reads."""
    case = FILL_CASES[wildcards.case]
    return {
        **{name: case[name] for name in ("scan", "annotation", "roi", "slices")},
        **pick("fill", "ignore_label", "snap", "model", "identity"),
        "seed": config["seed"],
        "device": config["device"],
    }


def fill_state(wildcards):
    """Return a hash of the files of a user's scan and annotation: paths, sizes and times."""
    case = FILL_CASES[wildcards.case]
    return folders_state([case["scan"], case["annotation"]])


def shipped_model(wildcards):
    """Return the shipped model that fills a user's lesions; nothing where signed distances do."""
    model = {"predictor": "uncertainty.pt", "diffusion": "diffusion.pt"}
    name = model.get(config["fill"]["model"])
    return str(ROOT.parent / "models" / name) if name else []


def archive_disk_mb(wildcards):
    """Return the disk that the download of an archive needs (MB)."""
    return DOWNLOADS[wildcards.archive].disk_mb


def say_forecast():
    """Say what the planned jobs will take, below Snakemake's table of them, in dry runs too."""
    logger.warning(forecast(planned_jobs(workflow), REQUESTS))


def left_out():
    """Say how many series were left out and where the reasons stand; nothing where none were."""
    path = Path(f"{RESULTS}/annotate/flow.csv")
    if not path.exists():
        return ""
    with path.open(newline="", encoding="utf-8") as file:
        lost = [
            row
            for row in csv.DictReader(file)
            if row["unit"] == "series" and row["event"] == "lost"
        ]
    count = sum(int(row["count"]) for row in lost)
    return f"{count} series were left out; {path} has the reasons." if count else ""


def every_result(wildcards):
    """Return every table and figure of the dataset: what has to be there before a run is described."""
    return rules.results.input


def efficiency_table(path):
    """Return the table that the SLURM executor wrote as a call of snakemake ended, marked for the report."""
    label = {"result": f"SLURM efficiency {path.stem.split('_')[-1][:8]} (CSV)"}
    return report(
        path.as_posix(), caption="report/slurm.rst", category="Run", labels=label
    )


def slurm_efficiency():
    """Return the efficiency tables of all calls so far; without SLURM there are none."""
    found = Path(".snakemake/slurm_efficiency").glob("efficiency_report_*.csv")
    return [efficiency_table(path) for path in sorted(found)]


def run_of(method, n=config["train"]["samples"], lam=config["train"]["lambda"]):
    """Return the folder of a method's runs under <classifiers>; a baseline has no explanation loss."""
    return f"{method}/n{n}_lambda{spelled(0 if method == 'baseline' else lam)}"


def thinned_run_of(outlines, slices, method):
    """Return the folder of a method's runs with thinned annotation; a method that sees none has one folder for all."""
    if not methods.METHODS[method].supervised:
        return f"<classifiers>/{run_of(method)}"
    return f"<annotation_study>/{outlines}_{slices}/{run_of(method)}"


def spelled(number):
    """Return the shortest text that `float` reads back as the number, such as 1, 0.12345678 or 1e-07."""
    return repr(float(number)).removesuffix(".0")


def training_arguments(wildcards):
    """Return what a training reads: what the table says of its method, and settings."""
    return {
        "recipe": methods.METHODS[wildcards.method].recipe,
        "task": TASK,
        "settings": pick(
            "train",
            "network",
            "width",
            "max_pool",
            "epochs",
            "batch_size",
            "learning_rate",
            "validate_every",
        ),
        "reading": reading_of(wildcards),
        "device": config["device"],
    }


def reading_of(wildcards):
    """Return how the images of a method are read: as set, but for what the table says of the method."""
    return {**READING, **methods.METHODS[wildcards.method].reading}


def prediction_arguments(wildcards):
    """Return what predictions of a method's classifiers read."""
    return {
        **pick("train", "task", "batch_size"),
        "reading": reading_of(wildcards),
        "device": config["device"],
    }


def alarm_arguments(wildcards):
    """Return what predictions with their alarms read."""
    return {**prediction_arguments(wildcards), **pick("monitoring", "abstain")}


def explainer_arguments(wildcards):
    """Return what the comparison of explainers on a method's classifier reads."""
    return {
        **prediction_arguments(wildcards),
        **pick("evaluate", "explained", "explainers", "threshold"),
        "seed": config["seed"],
    }


def heatmap_arguments(wildcards):
    """Return what the scores of a classifier's heatmaps read."""
    return {
        **pick("confidence", "maps", "steps", "neighbours", "batch_size"),
        "task": TASK,
        "study_seed": config["seed"],
        "reading": reading_of(wildcards),
        "device": config["device"],
    }


def generation_arguments(wildcards):
    """Return what GAX on a method's classifier reads."""
    return {**generation_of(wildcards.method), **pick("confidence", "form")}


def generation_of(method):
    """Return what any form of GAX on a classifier of a method reads."""
    return {
        **pick("confidence", "iterations", "target", "target_score", "batch_size"),
        "task": TASK,
        "reading": {**READING, **methods.METHODS[method].reading},
        "device": config["device"],
    }


def of_studied(name):
    """Return the file `name` of each classifier of the confidence study."""
    return [
        f"<gax>/{run_of(method)}/seed{seed}/{name}"
        for method in CONFIDENCE["methods"]
        for seed in SEEDS[: CONFIDENCE["seeds"]]
    ]


def weights_of(wildcards):
    """Return the list of weights, as input of the training of a method; without supervision none."""
    supervised = methods.METHODS[wildcards.method].loss
    return f"{RESULTS}/due/uncertainty/weights/shards.csv" if supervised else []


def training_code(wildcards):
    """Return the hash of the code that trains a method."""
    return CODE["train_classifier"][wildcards.method]


def code_of_training(method):
    """Return a hash of a training's code: with its network and its explanation loss, which it imports by name."""
    loss = methods.METHODS[method].loss
    return code_hash("train_classifier", NETWORK, *([LOSSES[loss]] if loss else []))


def evaluation_arguments(wildcards):
    """Return what the scoring of a method reads."""
    return {
        "task": TASK,
        "sees": methods.METHODS[wildcards.method].sees,
        "threshold": config["evaluate"]["threshold"],
        "reading": pick("samples", "grid"),
    }


def not_yet_trained():
    """Return the methods whose first training one job does for all seeds: those without any model of these seeds.

    A process that Snakemake starts for a single job does as the main one decided, whatever models lie there by now.
    """
    if config["train"]["seeds_per_job"] != "all":
        return []
    if not is_main_process(workflow):
        return KNOWN_METHODS
    folder = Path(f"{RESULTS}/classifiers/{TASK}")
    return [
        method
        for method in KNOWN_METHODS
        if not any(
            list(folder.glob(f"{method}/*/seed{seed}/model.pt")) for seed in SEEDS
        )
    ]


def of_methods(name):
    """Return the file `name` of each method's runs."""
    return [f"<classifiers>/{run_of(method)}/{name}" for method in METHODS]


def shards_in(wildcards):
    """Return the files of all shards in the folder that is listed."""
    return [f"{RESULTS}/{wildcards.folder}/{shard}.h5" for shard in SHARDS]


def study_model(wildcards):
    """Return the trained model that a learned method of the study fills in with."""
    return f"{STUDY}/{wildcards.filler.split('_')[0]}.pt"


def recipe_of(wildcards):
    """Return what the trainings of a compared method of the counterfactual study are made of."""
    return {
        "recipe": COMPARED[wildcards.compared].recipe,
        **pick("counterfactual", "strengths", "seeds", "window"),
        "cue": CUE,
        "device": config["device"],
    }


def alignment_settings():
    """Return what a step of alignment of the counterfactual study reads."""
    names = ["cell", "cg_steps", "cg_tolerance", "cg_gate", "chunk"]
    return {**pick("counterfactual", *names), **config["counterfactual"]["solver"]}


def compared_training(wildcards):
    """Return what the trainings of a compared method read."""
    names = ["epochs", "batch_size", "learning_rate", "aligned", "margin", "bound"]
    settings = {**pick("counterfactual", *names), **alignment_settings()}
    return {**recipe_of(wildcards), "settings": settings}


def compared_evaluation(wildcards):
    """Return what the evaluation of a compared method reads."""
    settings = pick("counterfactual", "margin", "cell", "evaluated")
    return {
        **recipe_of(wildcards),
        "settings": {**settings, **config["counterfactual"]["evaluation"]},
    }


def autoencoders_of(wildcards):
    """Return the autoencoders, as input of the trainings of a compared method; for most none."""
    needed = COMPARED[wildcards.compared].space == "latent"
    return AUTOENCODERS if needed else []


def pick(section, *names):
    """Return some settings of a section by name: a job depends on those alone that it reads."""
    return {name: config[section][name] for name in names}


# The samples, as input of the rules that read them, and the settings that their images and annotations depend on.
SAMPLES = {
    "lesions_file": "<results>/annotate/lesions.parquet",
    "slices_file": "<results>/annotate/slices.h5",
    "samples_file": "<results>/samples/samples.parquet",
    "crops_file": "<results>/samples/shards.csv",
}
READING = pick("samples", "grid", "intensity", "window", "cue")
# The planted cue of the counterfactual study, and its networks in the order of methods, strengths and seeds.
CUE = {
    "contrast": config["counterfactual"]["cue_contrast"],
    "size": config["counterfactual"]["cue_size"],
    "seed": config["seed"],
}
AUTOENCODERS, AUTOENCODER_HISTORIES = (
    [
        f"<cfalign>/autoencoder/strength{spelled(strength)}/{name}"
        for strength in config["counterfactual"]["strengths"]
    ]
    for name in ("model.pt", "history.csv")
)
ALIGNED_MODELS, ALIGNED_HISTORIES = (
    [
        f"<cfalign>/{{compared}}/strength{spelled(strength)}/seed{seed}/{name}"
        for strength in config["counterfactual"]["strengths"]
        for seed in config["counterfactual"]["seeds"]
    ]
    for name in ("model.pt", "history.csv")
)
# The code of every rule, with what some import by name.
CODE = {
    **all_hashes(),
    "index_series": code_hash("index_series", *map(module_of, INDEX.values())),
    "extract_annotations": code_hash("extract_annotations", module_of(SOURCE.extract)),
    "train_classifier": {method: code_of_training(method) for method in KNOWN_METHODS},
}
