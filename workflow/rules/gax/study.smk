"""AX and GAX: tables and page of the confidence study."""


rule compare_heatmaps:
    """Compare all scores and all maps of the confidence study, with the published numbers beside."""
    input:
        scores_files=of_studied("scores.parquet"),
        heatmaps_files=of_studied("heatmaps.parquet"),
        forms_file=rules.compare_forms.output.forms_file,
    output:
        classifiers_file="<gax>/classifiers.csv",
        distributions_file=report(
            "<gax>/distributions.csv",
            caption="../../report/gax/study.rst",
            category="Confidence",
            labels={"result": "Distributions of CO scores (CSV)"},
        ),
        detectors_file=report(
            "<gax>/detectors.csv",
            caption="../../report/gax/study.rst",
            category="Confidence",
            labels={"result": "Scores as detectors (CSV)"},
        ),
        reached_file="<gax>/reached.csv",
        forms_table_file="<gax>/forms.csv",
        evidence_file="<gax>/evidence.csv",
        differences_file=report(
            "<gax>/evidence_differences.csv",
            caption="../../report/gax/evidence.rst",
            category="Confidence",
            labels={"result": "Where the evidence lies (CSV)"},
        ),
        md="<gax>/study.md",
        html=report(
            "<gax>/study.html",
            caption="../../report/gax/study.rst",
            category="Confidence",
            labels={"result": "What the study found"},
        ),
    log:
        "<logs>/compare_heatmaps.log",
    benchmark:
        "<benchmarks>/compare_heatmaps.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("compare_heatmaps"),
    params:
        arguments={
            **pick("confidence", "methods", "steps"),
            "cohort": COHORT,
            "seed": config["seed"],
        },
        code=code_hash("compare_heatmaps"),
    script:
        "../../scripts/compare_heatmaps.py"


rule browse_heatmaps:
    """Write the page that shows maps of GAX step by step, slice by slice."""
    input:
        maps_file=rules.compare_forms.output.maps_file,
    output:
        html=report(
            "<gax>/steps.html",
            caption="../../report/gax/steps.rst",
            category="Confidence",
            labels={"result": "GAX, step by step"},
        ),
    log:
        "<logs>/browse_heatmaps.log",
    benchmark:
        "<benchmarks>/browse_heatmaps.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("browse_heatmaps"),
    params:
        arguments={"cohort": COHORT},
        code=code_hash("browse_heatmaps"),
    script:
        "../../scripts/browse_heatmaps.py"
