"""CF-Align: views of nodules with masks, and their labels by malignancy."""

VIEWS = "rendered" if SOURCE.generated else "cut"
VIEWED = {
    "table_file": "<cfalign>/views.parquet",
    "views_file": f"<cfalign>/{VIEWS}.h5",
}


rule render_views:
    """Render views of real shapes on lung of the one real CT, with masks: semi-synthetic images."""
    input:
        ct_file=rules.fetch_real_ct.output.ct_file,
        labels_file=rules.fetch_real_ct.output.labels_file,
    output:
        nodules_file="<cfalign>/rendered.parquet",
        views_file="<cfalign>/rendered.h5",
    log:
        "<logs>/render_views.log",
    benchmark:
        "<benchmarks>/render_views.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("render_views"),
    params:
        arguments={
            **pick("counterfactual", "size", "views", "patients"),
            "seed": config["seed"],
        },
        code=code_hash("render_views"),
    script:
        "../../scripts/render_views.py"


rule cut_views:
    """Cut views of the cohort's nodules out of their scans, with masks."""
    input:
        series_file="<results>/ingest/series.parquet",
        lesions_file="<results>/annotate/lesions.parquet",
        slices_file="<results>/annotate/slices.h5",
    output:
        nodules_file="<cfalign>/cut.parquet",
        views_file="<cfalign>/cut.h5",
    log:
        "<logs>/cut_views.log",
    benchmark:
        "<benchmarks>/cut_views.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("cut_views"),
    params:
        arguments={
            "archives": ARCHIVES,
            **pick("counterfactual", "size", "views", "patients"),
            "seed": config["seed"],
        },
        code=code_hash("cut_views"),
    script:
        "../../scripts/cut_views.py"


rule label_views:
    """Make labels of malignancy of the readers' ratings, and draw the splits of patients."""
    input:
        nodules_file=f"<cfalign>/{VIEWS}.parquet",
    output:
        table_file="<cfalign>/views.parquet",
        counts_file=report(
            "<cfalign>/class_counts.csv",
            caption="../../report/cfalign/classes.rst",
            category="Counterfactuals",
            labels={"result": "Classes of the nodules (CSV)"},
        ),
        flow_file=report(
            "<cfalign>/flow.csv",
            caption="../../report/cfalign/classes.rst",
            category="Counterfactuals",
            labels={"result": "Flow of the nodules (CSV)"},
        ),
    log:
        "<logs>/label_views.log",
    benchmark:
        "<benchmarks>/label_views.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("label_views"),
    params:
        arguments={
            **pick("counterfactual", "views", "median", "train", "validation"),
            "cohort": COHORT,
            "seed": config["seed"],
        },
        code=code_hash("label_views"),
    script:
        "../../scripts/label_views.py"
