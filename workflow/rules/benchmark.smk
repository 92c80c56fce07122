"""Benchmarks: where a run's time went, for its report; and what our code costs next to other code, asked for by name.

REQUIRED INPUTS
    every other result, for the stages alone
OUTPUTS
    results/benchmarks/annotation.csv   lesions and masks of all LIDC-IDRI, next to pylidc: equal, and how fast
    results/benchmarks/crop.csv         one lesion's crop of a large series, next to reading all of it with SimpleITK
    results/benchmarks/uncertainty.csv  the imputed uncertainty predictor, next to the draws that it replaces
    results/benchmarks/supervision.csv  seconds per training step of each method, next to plain training
    results/benchmarks/stages.csv, .png  time and memory of each rule of the run
"""


rule benchmark_annotation:
    """Cluster all contours of LIDC-IDRI and build all masks, by this code and by pylidc itself."""
    output:
        "results/benchmarks/annotation.csv",
    log:
        "results/benchmarks/annotation.log",
    benchmark:
        "results/benchmarks/annotation.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("benchmark_annotation"),
    params:
        code=code_hash("benchmark_annotation"),
    message:
        "Timing clustering and consensus next to pylidc (some minutes)"
    script:
        "../scripts/benchmark_annotation.py"


rule benchmark_crop:
    """Read one lesion's crop of a large series, next to reading all of it with SimpleITK."""
    output:
        "results/benchmarks/crop.csv",
    log:
        "results/benchmarks/crop.log",
    benchmark:
        "results/benchmarks/crop.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("benchmark_crop"),
    params:
        code=code_hash("benchmark_crop"),
    message:
        "Timing the crop of a lesion"
    script:
        "../scripts/benchmark_crop.py"


rule benchmark_uncertainty:
    """Compare the predicted variance with that of draws, and what both cost, on LIDC contours."""
    input:
        interpolator="results/study/diffusion.pt",
        predictor="results/study/uncertainty.pt",
    output:
        "results/benchmarks/uncertainty.csv",
    log:
        "results/benchmarks/uncertainty.log",
    benchmark:
        "results/benchmarks/uncertainty.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("benchmark_uncertainty"),
    params:
        study=config["study"],
        settings=config["interpolate"],
        latent=config["uncertainty"]["latent_at_inference"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("benchmark_uncertainty"),
    message:
        "Timing the uncertainty predictor next to draws"
    script:
        "../scripts/benchmark_uncertainty.py"


rule benchmark_supervision:
    """Time a supervised training step against a plain one, in one run."""
    output:
        "results/benchmarks/supervision.csv",
    log:
        "results/benchmarks/supervision.log",
    benchmark:
        "results/benchmarks/supervision.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("benchmark_supervision"),
    params:
        settings=config["train"],
        predictor={
            "size": config["interpolate"]["size"],
            "width": config["uncertainty"]["width"],
            "latent": config["uncertainty"]["latent"],
        },
        grid=config["samples"]["grid"],
        device=config["device"],
        code=code_hash("benchmark_supervision"),
    message:
        "Timing supervised training steps"
    script:
        "../scripts/benchmark_supervision.py"


rule benchmark_stages:
    """Add up time and memory of each rule, from the records that Snakemake keeps."""
    input:
        every_result,
    output:
        csv="results/benchmarks/stages.csv",
        png=report(
            "results/benchmarks/stages.png",
            caption="../report/stages.rst",
            category="Run",
            labels={"result": "Time and memory of each rule"},
        ),
    log:
        "results/benchmarks/stages.log",
    benchmark:
        f"results/{DATASET}/benchmarks/benchmark_stages.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("benchmark_stages"),
    params:
        folder=f"results/{DATASET}/benchmarks",
        dataset=DATASET,
        code=code_hash("benchmark_stages"),
    message:
        "Adding up time and memory by rule"
    script:
        "../scripts/benchmark_stages.py"
