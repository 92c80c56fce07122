"""Imputation: the diffusion interpolator, the uncertainty of what it fills in, and weights (DUE, sections 4.2 and 4.3)."""

# The annotated slices, and whose they are.
ANNOTATED = {
    "lesions_file": "<results>/annotate/lesions.parquet",
    "slices_file": "<results>/annotate/slices.h5",
    "splits_file": "<results>/samples/splits.parquet",
}
# Whose annotated slices teach; where samples choose them, all of their draws.
ANNOTATION_FROM = config["interpolate"]["annotation_from"]
if ANNOTATION_FROM == "auto":
    ANNOTATION_FROM = "all" if SOURCE.generated else "training"
TAUGHT_BY = {"annotation_from": ANNOTATION_FROM}
if ANNOTATION_FROM == "training_samples":
    TAUGHT_BY |= pick("train", "samples", "seeds")
TEACHING = {
    **ANNOTATED,
    "samples_file": (
        SAMPLES["samples_file"] if ANNOTATION_FROM == "training_samples" else []
    ),
}
# What an interpolator is trained by; its file holds what it takes to build it again.
INTERPOLATOR = pick(
    "interpolate",
    *("size", "channels", "epochs", "steps_per_epoch", "batch_size"),
    *("learning_rate", "ema", "max_gap"),
)
# What the diffusion's mean and variance depend on: the expectation is known without a chain.
ESTIMATE = pick("uncertainty", "estimate")
if config["uncertainty"]["estimate"] == "draws":
    ESTIMATE |= pick("interpolate", "steps", "filling") | pick("uncertainty", "draws")
VARIANCE = {
    **pick("interpolate", "size", "max_gap"),
    **pick("uncertainty", "gaps"),
    **ESTIMATE,
}
# What the filled gaps depend on.
FILLED_BY = pick("uncertainty", "filled_by")
if config["uncertainty"]["filled_by"] == "diffusion":
    FILLED_BY |= ESTIMATE
else:
    FILLED_BY |= pick("uncertainty", "latent_at_inference")


rule train_interpolator:
    """Train the diffusion interpolator on annotated slices of the lesions that teach."""
    input:
        **TEACHING,
    output:
        model_file="<results>/due/interpolation/model.pt",
    log:
        "<logs>/train_interpolator.log",
    benchmark:
        "<benchmarks>/train_interpolator.tsv"
    cache: CACHED
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_interpolator"),
    params:
        arguments={
            "taught_by": TAUGHT_BY,
            "settings": INTERPOLATOR,
            "seed": config["seed"],
            "device": config["device"],
        },
        software=SOFTWARE,
        code=code_hash("train_interpolator"),
    script:
        "../../scripts/train_interpolator.py"


rule sample_variance:
    """Make mean and variance of the interpolation in gaps of the lesions that teach: of draws (Algorithm 1) or of the first step."""
    input:
        **TEACHING,
        model_file=rules.train_interpolator.output.model_file,
    output:
        out_file="<results>/due/uncertainty/variance.h5",
    log:
        "<logs>/sample_variance.log",
    benchmark:
        "<benchmarks>/sample_variance.tsv"
    cache: CACHED
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("sample_variance"),
    params:
        arguments={
            "taught_by": TAUGHT_BY,
            "settings": VARIANCE,
            "seed": config["seed"],
            "device": config["device"],
        },
        software=SOFTWARE,
        code=code_hash("sample_variance"),
    script:
        "../../scripts/sample_variance.py"


rule train_uncertainty:
    """Distil mean and variance of the diffusion into a neural-process VAE, the imputed uncertainty predictor."""
    input:
        variance_file=rules.sample_variance.output.out_file,
    output:
        model_file="<results>/due/uncertainty/model.pt",
    log:
        "<logs>/train_uncertainty.log",
    benchmark:
        "<benchmarks>/train_uncertainty.tsv"
    cache: CACHED
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_uncertainty"),
    params:
        arguments={
            "settings": pick(
                "uncertainty",
                *("latent", "width", "epochs", "batch_size", "learning_rate", "beta"),
            ),
            "seed": config["seed"],
            "device": config["device"],
        },
        software=SOFTWARE,
        code=code_hash("train_uncertainty"),
    script:
        "../../scripts/train_uncertainty.py"


# The model that fills the gaps.
FILLER = (
    rules.train_interpolator.output.model_file
    if config["uncertainty"]["filled_by"] == "diffusion"
    else rules.train_uncertainty.output.model_file
)


rule evaluate_filling:
    """Score what fills the gaps on hidden slices of validation patients."""
    input:
        **TEACHING,
        model_file=FILLER,
    output:
        out_file=report(
            "<results>/due/interpolation/metrics.json",
            caption="../../report/due/interpolation.rst",
            category="Interpolation",
            labels={"result": "Scores on hidden slices (JSON)"},
        ),
    log:
        "<logs>/evaluate_filling.log",
    benchmark:
        "<benchmarks>/evaluate_filling.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("evaluate_filling"),
    params:
        arguments={
            "taught_by": TAUGHT_BY,
            **pick("interpolate", "size"),
            "settings": FILLED_BY,
            "seed": config["seed"],
            "device": config["device"],
        },
        code=code_hash("evaluate_filling"),
    script:
        "../../scripts/evaluate_filling.py"


WEIGHTS = {
    **pick("samples", "grid"),
    **pick("interpolate", "size"),
    "settings": {**FILLED_BY, **pick("uncertainty", "mapping")},
    "seed": config["seed"],
    "device": config["device"],
}


rule map_weights:
    """Fill the gaps of training lesions on the network's grid, and weigh every voxel."""
    input:
        lesions_file="<results>/annotate/lesions.parquet",
        slices_file="<results>/annotate/slices.h5",
        samples_file="<results>/samples/samples.parquet",
        model_file=FILLER,
        predictor_file=rules.train_uncertainty.output.model_file,
    output:
        out_file="<results>/due/uncertainty/weights/{part}.h5",
    log:
        "<logs>/map_weights/{part}.log",
    benchmark:
        "<benchmarks>/map_weights/{part}.tsv"
    wildcard_constraints:
        part=r"\d+",
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("map_weights"),
    params:
        arguments=WEIGHTS,
        code=code_hash("map_weights"),
    script:
        "../../scripts/map_weights.py"


# The test lesions that the slice browser shows: a rule of its own, since it alone depends on how many these are.
use rule map_weights as fill_browsed with:
    output:
        out_file="<results>/due/uncertainty/weights/browsed.h5",
    log:
        "<logs>/fill_browsed.log",
    benchmark:
        "<benchmarks>/fill_browsed.tsv"
    resources:
        **asks("fill_browsed"),
    params:
        arguments={**WEIGHTS, "part": "browsed", **pick("evaluate", "browse")},
