"""Benchmarks: our code next to other code. Ask for a table by its name."""


rule benchmark_annotation:
    """Cluster all contours of LIDC-IDRI and build all masks, by this code and by pylidc itself."""
    output:
        out_file="results/benchmarks/annotation.csv",
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
        out_file="results/benchmarks/crop.csv",
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
        interpolator_file="<study>/diffusion.pt",
        predictor_file="<study>/uncertainty.pt",
        splits_file=SPLITS,
    output:
        out_file="results/benchmarks/uncertainty.csv",
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
        arguments={
            **pick("study", "test", "every", "check_gaps", "check_draws"),
            **pick("interpolate", "size", "steps"),
            "latent": config["uncertainty"]["latent_at_inference"],
            "seed": config["seed"],
            "device": config["device"],
        },
        code=code_hash("benchmark_uncertainty"),
    script:
        "../scripts/benchmark_uncertainty.py"


rule benchmark_supervision:
    """Time a supervised training step against a plain one, in one run."""
    output:
        out_file="results/benchmarks/supervision.csv",
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
        arguments={
            "settings": pick(
                "train", "width", "max_pool", "batch_size", "learning_rate", "lambda"
            ),
            "predictor": {
                **pick("interpolate", "size"),
                **pick("uncertainty", "width", "latent"),
            },
            **pick("samples", "grid"),
            "device": config["device"],
        },
        code=code_hash("benchmark_supervision", *LOSSES.values()),
    script:
        "../scripts/benchmark_supervision.py"


rule benchmark_class_maps:
    """Time maps of six classes next to one forward and backward pass, and next to captum."""
    output:
        out_file="results/benchmarks/class_maps.csv",
    log:
        "results/benchmarks/class_maps.log",
    benchmark:
        "results/benchmarks/class_maps.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("benchmark_class_maps"),
    params:
        arguments={"device": config["device"]},
        code=code_hash("benchmark_class_maps"),
    script:
        "../scripts/benchmark_class_maps.py"


rule benchmark_heatmaps:
    """Time GAX in batches next to single images, and maps next to one forward and backward pass."""
    output:
        out_file="results/benchmarks/heatmaps.csv",
    log:
        "results/benchmarks/heatmaps.log",
    benchmark:
        "results/benchmarks/heatmaps.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("benchmark_heatmaps"),
    params:
        arguments={"device": config["device"]},
        code=code_hash("benchmark_heatmaps"),
    script:
        "../scripts/benchmark_heatmaps.py"


rule benchmark_alignment:
    """Time steps with the alignment of counterfactuals next to plain ones."""
    output:
        out_file="results/benchmarks/alignment.csv",
    log:
        "results/benchmarks/alignment.log",
    benchmark:
        "results/benchmarks/alignment.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("benchmark_alignment"),
    params:
        arguments={
            "settings": alignment_settings(),
            "device": config["device"],
        },
        code=code_hash("benchmark_alignment"),
    script:
        "../scripts/benchmark_alignment.py"
