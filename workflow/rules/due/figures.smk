"""Figures of DUE, pictures beside them, and the slice browser."""

# The ablations of DUE are compared in Table 1, not over the number of samples.
SAMPLE_SWEEP = [
    [method, n]
    for method in METHODS
    if not method.startswith("due_")
    for n in config["paper"]["samples"]
]


rule figure_3:
    """Figure 3: every method, without ablations of DUE, over the number of training samples."""
    input:
        metrics_files=[
            f"<classifiers>/{run_of(method, n)}/metrics.parquet"
            for method, n in SAMPLE_SWEEP
        ],
    output:
        png=report(
            "<results>/due/figures/figure3.png",
            caption="../../report/due/figure_3.rst",
            category="Results",
            labels={"result": "Figure 3: training samples"},
        ),
        pdf="<results>/due/figures/figure3.pdf",
    log:
        "<logs>/figure_3.log",
    benchmark:
        "<benchmarks>/figure_3.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_3"),
    params:
        arguments={
            "runs": SAMPLE_SWEEP,
            "threshold": config["evaluate"]["threshold"],
            "cohort": COHORT,
        },
        code=code_hash("figure_3"),
    script:
        "../../scripts/figure_3.py"


rule figure_4:
    """Figure 4: CT, readers' contours, and the explanation map of each method."""
    input:
        **SAMPLES,
        explanations_files=of_methods("explanations.h5"),
    output:
        png=report(
            "<results>/due/figures/figure4.png",
            caption="../../report/due/figure_4.rst",
            category="Results",
            labels={"result": "Figure 4: explanation maps"},
        ),
        pdf="<results>/due/figures/figure4.pdf",
    log:
        "<logs>/figure_4.log",
    benchmark:
        "<benchmarks>/figure_4.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_4"),
    params:
        arguments={
            "methods": METHODS,
            "reading": READING,
            "threshold": config["evaluate"]["threshold"],
            "cohort": COHORT,
        },
        code=code_hash("figure_4"),
    script:
        "../../scripts/figure_4.py"


rule figure_5:
    """Figure 5: explanation scores over thresholds."""
    input:
        metrics_files=of_methods("metrics.parquet"),
    output:
        png=report(
            "<results>/due/figures/figure5.png",
            caption="../../report/due/figure_5.rst",
            category="Results",
            labels={"result": "Figure 5: thresholds"},
        ),
        pdf="<results>/due/figures/figure5.pdf",
    log:
        "<logs>/figure_5.log",
    benchmark:
        "<benchmarks>/figure_5.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_5"),
    params:
        arguments={
            "methods": METHODS,
            "cohort": COHORT,
        },
        code=code_hash("figure_5"),
    script:
        "../../scripts/figure_5.py"


rule figure_6:
    """Figure 6: one method over the weight of its explanation loss."""
    input:
        metrics_files=[
            f"<classifiers>/{run_of(REFERENCE, lam=weight)}/metrics.parquet"
            for weight in config["paper"]["lambdas"]
        ],
        baseline_file=f"<classifiers>/{run_of('baseline')}/metrics.parquet",
    output:
        png=report(
            "<results>/due/figures/figure6.png",
            caption="../../report/due/figure_6.rst",
            category="Results",
            labels={"result": "Figure 6: lambda"},
        ),
        pdf="<results>/due/figures/figure6.pdf",
    log:
        "<logs>/figure_6.log",
    benchmark:
        "<benchmarks>/figure_6.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_6"),
    params:
        arguments={
            "weights": config["paper"]["lambdas"],
            "method": REFERENCE,
            "threshold": config["evaluate"]["threshold"],
            "cohort": COHORT,
        },
        code=code_hash("figure_6"),
    script:
        "../../scripts/figure_6.py"


rule filled_gap_figure:
    """One filled gap with its variance and weights."""
    input:
        lesions_file=SAMPLES["lesions_file"],
        samples_file=SAMPLES["samples_file"],
        weights_file="<results>/due/uncertainty/weights/shards.csv",
    output:
        png=report(
            "<results>/due/figures/gap.png",
            caption="../../report/due/filled_gap.rst",
            category="Interpolation",
            labels={"result": "A filled gap"},
        ),
        pdf="<results>/due/figures/gap.pdf",
    log:
        "<logs>/filled_gap_figure.log",
    benchmark:
        "<benchmarks>/filled_gap_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("filled_gap_figure"),
    params:
        arguments={
            "cohort": COHORT,
        },
        code=code_hash("filled_gap_figure"),
    script:
        "../../scripts/filled_gap_figure.py"


rule table1_figure:
    """Table 1 as a picture: seeds, means, and intervals over patients."""
    input:
        samples_file=SAMPLES["samples_file"],
        predictions_files=of_methods("predictions.parquet"),
        lesions_files=of_methods("lesions.parquet"),
    output:
        png=report(
            "<results>/due/figures/table1.png",
            caption="../../report/due/table1_figure.rst",
            category="Results",
            labels={"result": "Table 1 as a picture"},
        ),
        pdf="<results>/due/figures/table1.pdf",
    log:
        "<logs>/table1_figure.log",
    benchmark:
        "<benchmarks>/table1_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("table1_figure"),
    params:
        arguments={
            "methods": METHODS,
            "seed": config["seed"],
            "cohort": COHORT,
        },
        code=code_hash("table1_figure"),
    script:
        "../../scripts/table1_figure.py"


rule reliability_figure:
    """How often a sample that is called a lesion with some probability is one."""
    input:
        predictions_files=of_methods("predictions.parquet"),
    output:
        png=report(
            "<results>/due/figures/reliability.png",
            caption="../../report/due/reliability.rst",
            category="Checks",
            labels={"result": "Reliability of the probabilities"},
        ),
        pdf="<results>/due/figures/reliability.pdf",
    log:
        "<logs>/reliability_figure.log",
    benchmark:
        "<benchmarks>/reliability_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("reliability_figure"),
    params:
        arguments={
            "methods": METHODS,
            "cohort": COHORT,
        },
        code=code_hash("reliability_figure"),
    script:
        "../../scripts/reliability_figure.py"


rule browse_lesions:
    """Write the slice browser."""
    input:
        **SAMPLES,
        filled_file="<results>/due/uncertainty/weights/browsed.h5",
        predictions_files=of_methods("predictions.parquet"),
        explanations_files=of_methods("explanations.h5"),
    output:
        html=report(
            "<results>/due/browser.html",
            caption="../../report/due/browser.rst",
            category="Results",
            labels={"result": "Slice browser"},
        ),
    log:
        "<logs>/browse_lesions.log",
    benchmark:
        "<benchmarks>/browse_lesions.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("browse_lesions"),
    params:
        arguments={
            "methods": METHODS,
            "reading": READING,
            "cohort": COHORT,
        },
        code=code_hash("browse_lesions"),
    script:
        "../../scripts/browse_lesions.py"
