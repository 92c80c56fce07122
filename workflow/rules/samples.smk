"""Cases: samples, splits by patient, and crops of the scans.

REQUIRED INPUTS
    results/{dataset}/ingest/series.parquet
    results/{dataset}/annotate/lesions.parquet
OUTPUTS
    results/{dataset}/samples/samples.parquet  each lesion's block and its neighbours
    results/{dataset}/samples/splits.parquet   the split of each patient
    results/{dataset}/samples/{shard}.h5       crops in HU at native resolution
    results/{dataset}/annotate/flow.csv      from the series found to the blocks used, each loss with its reason
"""


rule split_patients:
    """List the samples and draw who trains, validates and tests."""
    input:
        lesions=rules.extract_annotations.output.lesions,
    output:
        samples="results/{dataset}/samples/samples.parquet",
        splits="results/{dataset}/samples/splits.parquet",
    log:
        "results/{dataset}/logs/split_patients.log",
    benchmark:
        "results/{dataset}/benchmarks/split_patients.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("split_patients"),
    params:
        settings=config["samples"],
        shards=len(SHARDS),
        seed=config["seed"],
        code=code_hash("split_patients"),
    message:
        "Splitting patients and listing samples"
    script:
        "../scripts/split_patients.py"


rule cohort_flow:
    """Count what was found, lost and kept, with the reasons, and draw it."""
    input:
        scans=rules.extract_annotations.output.scans,
        lesions=rules.extract_annotations.output.lesions,
        samples=rules.split_patients.output.samples,
    output:
        csv="results/{dataset}/annotate/flow.csv",
        png=report(
            "results/figures/{dataset}_flow.png",
            caption="../report/flow.rst",
            category="Cohort",
            labels={"result": "Flow of the cohort"},
        ),
        pdf="results/figures/{dataset}_flow.pdf",
    log:
        "results/{dataset}/logs/cohort_flow.log",
    benchmark:
        "results/{dataset}/benchmarks/cohort_flow.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("cohort_flow"),
    params:
        settings=config["samples"],
        cohort=COHORT,
        code=code_hash("cohort_flow"),
    message:
        "Counting the cohort's flow"
    script:
        "../scripts/cohort_flow.py"


rule extract_crops:
    """Cut the blocks of one shard's lesions, with their neighbours, out of the scans."""
    input:
        series=rules.index_series.output.series,
        lesions=rules.extract_annotations.output.lesions,
        samples=rules.split_patients.output.samples,
    output:
        "results/{dataset}/samples/{shard}.h5",
    log:
        "results/{dataset}/logs/extract_crops/{shard}.log",
    benchmark:
        "results/{dataset}/benchmarks/extract_crops/{shard}.tsv"
    cache: CACHED
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("extract_crops"),
    params:
        archives=archives,
        shard="{shard}",
        software=SOFTWARE,
        code=code_hash("extract_crops"),
    message:
        "Cutting crops, shard {wildcards.shard}"
    script:
        "../scripts/extract_crops.py"


rule list_crops:
    """List the shards of crops in one file: a job that needs all of them depends on one."""
    input:
        of_shards("samples"),
    output:
        "results/{dataset}/samples/shards.csv",
    log:
        "results/{dataset}/logs/list_crops.log",
    benchmark:
        "results/{dataset}/benchmarks/list_crops.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("list_crops"),
    params:
        code=code_hash("list_crops"),
    message:
        "Listing the shards of crops"
    script:
        "../scripts/list_crops.py"
