"""AX and GAX: the pictures of the confidence study."""


rule score_boxplot:
    """Draw the distributions of CO scores of a method, correct and wrong predictions apart."""
    input:
        scores_files=of_studied("scores.parquet"),
    output:
        png=report(
            "<gax>/{method}_boxplot.png",
            caption="../../report/gax/boxplot.rst",
            category="Confidence",
            labels={"result": "CO scores, {method}"},
        ),
        pdf="<gax>/{method}_boxplot.pdf",
    log:
        "<logs>/score_boxplot/{method}.log",
    benchmark:
        "<benchmarks>/score_boxplot/{method}.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("score_boxplot"),
    params:
        arguments={"cohort": COHORT},
        code=code_hash("score_boxplot"),
    script:
        "../../scripts/score_boxplot.py"


rule score_histogram:
    """Draw histograms of the CO scores of a method."""
    input:
        scores_files=of_studied("scores.parquet"),
    output:
        png=report(
            "<gax>/{method}_histogram.png",
            caption="../../report/gax/boxplot.rst",
            category="Confidence",
            labels={"result": "Histograms of CO scores, {method}"},
        ),
        pdf="<gax>/{method}_histogram.pdf",
    log:
        "<logs>/score_histogram/{method}.log",
    benchmark:
        "<benchmarks>/score_histogram/{method}.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("score_histogram"),
    params:
        arguments={"cohort": COHORT},
        code=code_hash("score_histogram"),
    script:
        "../../scripts/score_histogram.py"


rule gax_curves:
    """Draw the CO score over the steps of each form of GAX."""
    input:
        curves_file=rules.compare_forms.output.curves_file,
        forms_file=rules.compare_forms.output.forms_file,
    output:
        png=report(
            "<gax>/curves.png",
            caption="../../report/gax/curves.rst",
            category="Confidence",
            labels={"result": "GAX over its steps"},
        ),
        pdf="<gax>/curves.pdf",
    log:
        "<logs>/gax_curves.log",
    benchmark:
        "<benchmarks>/gax_curves.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("gax_curves"),
    params:
        arguments={"cohort": COHORT},
        code=code_hash("gax_curves"),
    script:
        "../../scripts/gax_curves.py"


rule evidence_figure:
    """Draw where the maps of test lesions lie, by method."""
    input:
        evidence_file=rules.compare_heatmaps.output.evidence_file,
    output:
        png=report(
            "<gax>/evidence.png",
            caption="../../report/gax/evidence.rst",
            category="Confidence",
            labels={"result": "Where the evidence lies"},
        ),
        pdf="<gax>/evidence.pdf",
    log:
        "<logs>/evidence_figure.log",
    benchmark:
        "<benchmarks>/evidence_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("evidence_figure"),
    params:
        arguments={"cohort": COHORT},
        code=code_hash("evidence_figure"),
    script:
        "../../scripts/evidence_figure.py"
