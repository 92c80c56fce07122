"""What several stages share: names, wildcards, and where things lie."""

from due.code import code_hash

DATASET = config["dataset"]
IS_DEMO = config["ingest"]["dicom"] is None
DICOM = f"results/{DATASET}/dicom" if IS_DEMO else config["ingest"]["dicom"]
COHORT = "semi-synthetic cohort" if IS_DEMO else f"cohort {DATASET}"
SHARDS = range(config["cases"]["shards"])
METHODS = config["train"]["methods"]
SEEDS = config["train"]["seeds"]
THREADS = config["train"]["threads"]


wildcard_constraints:
    dataset=DATASET,
    shard=r"\d+",
    method="|".join(METHODS),
    n=r"\d+",
    lam=r"[0-9.e-]+",


def dicom_folder(wildcards):
    """Return the folder of DICOM series: the user's, or the demo's."""
    return DICOM


def run_of(method):
    """Return the folder of a method's runs under results/{dataset}/runs; a baseline has no explanation loss."""
    weight = 0 if method == "baseline" else config["train"]["lambda"]
    return f"{method}/n{config['train']['samples']}_lambda{weight:g}"


def of_methods(name):
    """Return the file `name` of each method's runs."""
    return [f"results/{DATASET}/runs/{run_of(method)}/{name}" for method in METHODS]


def of_shards(folder):
    """Return the files of all shards in `folder` under results/{dataset}, the dataset left open."""
    return [f"results/{{dataset}}/{folder}/{shard}.h5" for shard in SHARDS]
