"""Export: lesions' masks and interpolated annotations for other programs. Ask for it by name: export_masks.

REQUIRED INPUTS
    results/{dataset}/ingest/series.parquet, and the images
    results/{dataset}/annotate/lesions.parquet, slices.h5
    results/{dataset}/uncertainty/weights/{shard}.h5
OUTPUTS
    results/{dataset}/export/{lesion}/*.nii.gz, segmentation.dcm  NIfTI with the images' affine, and DICOM SEG
"""


rule export_masks:
    """Write the cohort's lesions in the scanner's space."""
    input:
        series=f"results/{DATASET}/ingest/series.parquet",
        lesions=f"results/{DATASET}/annotate/lesions.parquet",
        slices=f"results/{DATASET}/annotate/slices.h5",
        samples=f"results/{DATASET}/samples/samples.parquet",
        weights=f"results/{DATASET}/uncertainty/weights/shards.csv",
    output:
        directory(f"results/{DATASET}/export"),
    log:
        f"results/{DATASET}/logs/export_masks.log",
    benchmark:
        f"results/{DATASET}/benchmarks/export_masks.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("export_masks"),
    params:
        archives=archives,
        lesions=config["export"]["lesions"],
        code=code_hash("export_masks"),
    message:
        "Exporting masks as NIfTI and DICOM SEG"
    script:
        "../scripts/export_masks.py"
