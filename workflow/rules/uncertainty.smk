"""Uncertainty: variance of diffusion draws, the predictor distilled from it, and weights (DUE, section 4.3).

REQUIRED INPUTS
    results/{dataset}/annotate/lesions.parquet, slices.h5
    results/{dataset}/samples/samples.parquet, splits.parquet
    results/{dataset}/interpolate/model.pt
OUTPUTS
    results/{dataset}/uncertainty/variance/{shard}.h5  mean and variance of T draws per gap
    results/{dataset}/uncertainty/model.pt             imputed uncertainty predictor
    results/{dataset}/uncertainty/weights/{shard}.h5   filled annotation, variance and weight of training lesions
"""


rule sample_variance:
    """Sample the variance of the interpolation in gaps of training lesions (Algorithm 1)."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        splits=rules.split_patients.output.splits,
        model=rules.train_interpolator.output[0],
    output:
        "results/{dataset}/uncertainty/variance/{shard}.h5",
    log:
        "results/{dataset}/logs/sample_variance/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/sample_variance/{shard}.tsv"
    cache: CACHED
    conda:
        "../../envs/explainct.yaml"
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
    message:
        "Sampling the interpolation's variance, shard {wildcards.shard}"
    script:
        "../scripts/sample_variance.py"


rule train_uncertainty:
    """Distil the sampled variance into a neural-process VAE, the imputed uncertainty predictor."""
    input:
        of_shards("uncertainty/variance"),
    output:
        "results/{dataset}/uncertainty/model.pt",
    log:
        "results/{dataset}/logs/train_uncertainty.log",
    benchmark:
        "results/{dataset}/benchmarks/train_uncertainty.tsv"
    cache: CACHED
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_uncertainty"),
    params:
        settings=config["uncertainty"],
        seed=config["seed"],
        device=config["device"],
        resume_from="results/{dataset}/uncertainty/last.pt",
        software=SOFTWARE,
        code=code_hash("train_uncertainty"),
    message:
        "Training the imputed uncertainty predictor"
    script:
        "../scripts/train_uncertainty.py"


rule map_weights:
    """Fill the gaps of training lesions on the network's grid, and weigh every voxel."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.split_patients.output.samples,
        interpolator=rules.train_interpolator.output[0],
        predictor=rules.train_uncertainty.output[0],
    output:
        "results/{dataset}/uncertainty/weights/{shard}.h5",
    log:
        "results/{dataset}/logs/map_weights/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/map_weights/{shard}.tsv"
    conda:
        "../../envs/explainct.yaml"
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
    message:
        "Filling gaps and mapping weights, shard {wildcards.shard}"
    script:
        "../scripts/map_weights.py"


rule list_weights:
    """List the shards of weights in one file: a job that needs all of them depends on one."""
    input:
        of_shards("uncertainty/weights"),
    output:
        "results/{dataset}/uncertainty/weights/shards.csv",
    log:
        "results/{dataset}/logs/list_weights.log",
    benchmark:
        "results/{dataset}/benchmarks/list_weights.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("list_weights"),
    params:
        code=code_hash("list_weights"),
    message:
        "Listing the shards of weights"
    script:
        "../scripts/list_weights.py"
