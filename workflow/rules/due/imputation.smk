"""Imputation: the diffusion interpolator, the uncertainty of what it fills in, and weights (DUE, sections 4.2 and 4.3)."""


rule train_interpolator:
    """Train the diffusion interpolator on annotated slices of training patients."""
    input:
        lesions=rules.extract_annotations.output.lesions_file,
        slices=rules.extract_annotations.output.slices_file,
        splits="<results>/samples/splits.parquet",
    output:
        "<results>/due/interpolation/model.pt",
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
        settings=config["interpolate"],
        seed=config["seed"],
        device=config["device"],
        resume_from="<results>/due/interpolation/last.pt",
        software=SOFTWARE,
        code=code_hash("train_interpolator"),
    script:
        "../../scripts/train_interpolator.py"


rule evaluate_interpolator:
    """Score the interpolator on hidden slices of validation patients."""
    input:
        lesions=rules.extract_annotations.output.lesions_file,
        slices=rules.extract_annotations.output.slices_file,
        splits="<results>/samples/splits.parquet",
        model=rules.train_interpolator.output[0],
    output:
        report(
            "<results>/due/interpolation/metrics.json",
            caption="../../report/due/interpolation.rst",
            category="Interpolation",
            labels={"result": "Scores on hidden slices (JSON)"},
        ),
    log:
        "<logs>/evaluate_interpolator.log",
    benchmark:
        "<benchmarks>/evaluate_interpolator.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("evaluate_interpolator"),
    params:
        settings=config["interpolate"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("evaluate_interpolator"),
    script:
        "../../scripts/evaluate_interpolator.py"


rule sample_variance:
    """Sample the variance of the interpolation in gaps of training lesions (Algorithm 1)."""
    input:
        lesions=rules.extract_annotations.output.lesions_file,
        slices=rules.extract_annotations.output.slices_file,
        splits="<results>/samples/splits.parquet",
        model=rules.train_interpolator.output[0],
    output:
        "<results>/due/uncertainty/variance/{shard}.h5",
    log:
        "<logs>/sample_variance/{shard}.log",
    benchmark:
        "<benchmarks>/sample_variance/{shard}.tsv"
    cache: CACHED
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("sample_variance"),
    params:
        settings=config["uncertainty"],
        interpolate=config["interpolate"],
        shards=len(SHARDS),
        seed=config["seed"],
        device=config["device"],
        shard="{shard}",
        software=SOFTWARE,
        code=code_hash("sample_variance"),
    script:
        "../../scripts/sample_variance.py"


rule train_uncertainty:
    """Distil the sampled variance into a neural-process VAE, the imputed uncertainty predictor."""
    input:
        of_shards("due/uncertainty/variance"),
    output:
        "<results>/due/uncertainty/model.pt",
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
        settings=config["uncertainty"],
        seed=config["seed"],
        device=config["device"],
        resume_from="<results>/due/uncertainty/last.pt",
        software=SOFTWARE,
        code=code_hash("train_uncertainty"),
    script:
        "../../scripts/train_uncertainty.py"


rule map_weights:
    """Fill the gaps of training lesions on the network's grid, and weigh every voxel."""
    input:
        lesions=rules.extract_annotations.output.lesions_file,
        slices=rules.extract_annotations.output.slices_file,
        samples="<results>/samples/samples.parquet",
        interpolator=rules.train_interpolator.output[0],
        predictor=rules.train_uncertainty.output[0],
    output:
        "<results>/due/uncertainty/weights/{shard}.h5",
    log:
        "<logs>/map_weights/{shard}.log",
    benchmark:
        "<benchmarks>/map_weights/{shard}.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("map_weights"),
    params:
        settings=config["uncertainty"],
        interpolate=config["interpolate"],
        samples=config["samples"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("map_weights"),
    script:
        "../../scripts/map_weights.py"


rule fill_browsed:
    """Fill the gaps of the test lesions that the browser shows."""
    input:
        lesions=rules.extract_annotations.output.lesions_file,
        slices=rules.extract_annotations.output.slices_file,
        samples="<results>/samples/samples.parquet",
        interpolator=rules.train_interpolator.output[0],
        predictor=rules.train_uncertainty.output[0],
    output:
        "<results>/due/browser/filled.h5",
    log:
        "<logs>/fill_browsed.log",
    benchmark:
        "<benchmarks>/fill_browsed.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("fill_browsed"),
    params:
        rows=config["evaluate"]["browse"],
        settings=config["uncertainty"],
        interpolate=config["interpolate"],
        samples=config["samples"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("fill_browsed"),
    script:
        "../../scripts/fill_browsed.py"
