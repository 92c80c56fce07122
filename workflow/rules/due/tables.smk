"""Tables of DUE, with the published numbers beside ours."""


rule table_1:
    """Table 1: prediction and explanation of every method."""
    input:
        metrics_files=of_methods("metrics.parquet"),
    output:
        csv=report(
            "<results>/due/tables/table1.csv",
            caption="../../report/due/table_1.rst",
            category="Results",
            labels={"result": "Table 1 (CSV)"},
        ),
        md="<results>/due/tables/table1.md",
        tex="<results>/due/tables/table1.tex",
        html=report(
            "<results>/due/tables/table1.html",
            caption="../../report/due/table_1.rst",
            category="Results",
            labels={"result": "Table 1"},
        ),
    log:
        "<logs>/table_1.log",
    benchmark:
        "<benchmarks>/table_1.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("table_1"),
    params:
        arguments={
            "methods": METHODS,
            "dataset": DATASET,
            "cohort": COHORT,
            "published_dataset": PUBLISHED,
            "threshold": config["evaluate"]["threshold"],
        },
        code=code_hash("table_1"),
    script:
        "../../scripts/table_1.py"


rule count_taught:
    """Count the lesions and slices that taught interpolator, uncertainty predictor and classifiers."""
    input:
        lesions_file=ANNOTATED["lesions_file"],
        splits_file=ANNOTATED["splits_file"],
        samples_file=SAMPLES["samples_file"],
        variance_file=rules.sample_variance.output.out_file,
    output:
        csv=report(
            "<results>/due/tables/taught.csv",
            caption="../../report/due/taught.rst",
            category="Training",
            labels={"result": "Lesions and slices that taught (CSV)"},
        ),
    log:
        "<logs>/count_taught.log",
    benchmark:
        "<benchmarks>/count_taught.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("count_taught"),
    params:
        arguments={"taught_by": TAUGHT_BY, **pick("train", "samples", "seeds")},
        code=code_hash("count_taught"),
    script:
        "../../scripts/count_taught.py"


rule compare_methods:
    """Compare each method with the reference on the same test patients."""
    input:
        samples_file=SAMPLES["samples_file"],
        predictions_files=of_methods("predictions.parquet"),
        lesions_files=of_methods("lesions.parquet"),
    output:
        csv=report(
            "<results>/due/tables/differences.csv",
            caption="../../report/due/differences.rst",
            category="Results",
            labels={"result": "Differences between methods (CSV)"},
        ),
    log:
        "<logs>/compare_methods.log",
    benchmark:
        "<benchmarks>/compare_methods.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("compare_methods"),
    params:
        arguments={
            "methods": METHODS,
            "reference": REFERENCE,
            "seed": config["seed"],
        },
        code=code_hash("compare_methods"),
    script:
        "../../scripts/compare_methods.py"


rule cue_table:
    """Write what each method is worth with the cue, without it, and with its opposite."""
    input:
        cued_files=of_methods("cued.parquet"),
    output:
        csv=report(
            "<results>/due/tables/cue.csv",
            caption="../../report/due/cue.rst",
            category="Checks",
            labels={"result": "Planted cue (CSV)"},
        ),
        md="<results>/due/tables/cue.md",
    log:
        "<logs>/cue_table.log",
    benchmark:
        "<benchmarks>/cue_table.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("cue_table"),
    params:
        arguments={
            "methods": METHODS,
            "cohort": COHORT,
            "strength": config["samples"]["cue"]["strength"],
        },
        code=code_hash("cue_table"),
    script:
        "../../scripts/cue_table.py"
