"""Interpolate: a conditional diffusion model that fills the slices between two annotated ones (DUE, section 4.2).

REQUIRED INPUTS
    results/{dataset}/annotate/lesions.parquet, slices.h5
    results/{dataset}/samples/splits.parquet
OUTPUTS
    results/{dataset}/interpolate/model.pt      averaged weights
    results/{dataset}/interpolate/metrics.json  hidden slices of validation patients, next to classical methods
"""


rule train_interpolator:
    """Train the diffusion interpolator on annotated slices of training patients."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        splits=rules.split_patients.output.splits,
    output:
        "results/{dataset}/interpolate/model.pt",
    log:
        "results/{dataset}/logs/train_interpolator.log",
    benchmark:
        "results/{dataset}/benchmarks/train_interpolator.tsv"
    cache: CACHED
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_interpolator"),
    params:
        settings=config["interpolate"],
        seed=config["seed"],
        device=config["device"],
        resume_from="results/{dataset}/interpolate/last.pt",
        software=SOFTWARE,
        code=code_hash("train_interpolator"),
    message:
        "Training the diffusion interpolator"
    script:
        "../scripts/train_interpolator.py"


rule evaluate_interpolator:
    """Score the interpolator on hidden slices of validation patients."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        splits=rules.split_patients.output.splits,
        model=rules.train_interpolator.output[0],
    output:
        report(
            "results/{dataset}/interpolate/metrics.json",
            caption="../report/interpolation.rst",
            category="Interpolation",
            labels={"result": "Scores on hidden slices (JSON)"},
        ),
    log:
        "results/{dataset}/logs/evaluate_interpolator.log",
    benchmark:
        "results/{dataset}/benchmarks/evaluate_interpolator.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("evaluate_interpolator"),
    params:
        settings=config["interpolate"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("evaluate_interpolator"),
    message:
        "Scoring the interpolator on hidden slices"
    script:
        "../scripts/evaluate_interpolator.py"
