"""Benchmarks: our code next to other code. Ask for a table by its name."""


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
    script:
        "../scripts/benchmark_crop.py"


rule benchmark_uncertainty:
    """Compare the predicted variance with that of draws, and what both cost, on LIDC contours."""
    input:
        interpolator="<study>/diffusion.pt",
        predictor="<study>/uncertainty.pt",
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
    script:
        "../scripts/benchmark_supervision.py"
