"""Figures of DUE, pictures beside them, and the slice browser."""

# The ablations of DUE are compared in Table 1, not over the number of samples.
SAMPLE_SWEEP = [
    (method, n)
    for method in METHODS
    if not method.startswith("due_")
    for n in config["paper"]["samples"]
]


rule figure_3:
    """Figure 3: every method, without ablations of DUE, over the number of training samples."""
    input:
        [
            "<classifiers>/{run_of(method, n)}/metrics.parquet"
            for method, n in SAMPLE_SWEEP
        ],
    output:
        png=report(
            "<results>/due/figures/figure3.png",
            caption="../../report/figure_3.rst",
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
        runs=SAMPLE_SWEEP,
        threshold=config["evaluate"]["threshold"],
        cohort=COHORT,
        code=code_hash("figure_3"),
    script:
        "../../scripts/figure_3.py"


rule figure_4:
    """Figure 4: CT, readers' contours, and the heatmap of each method."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.plan_samples.output.samples_file,
        crops=rules.list_crops.output[0],
        explanations=of_methods("explanations.h5"),
    output:
        png=report(
            "<results>/due/figures/figure4.png",
            caption="../../report/figure_4.rst",
            category="Results",
            labels={"result": "Figure 4: heatmaps"},
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
        methods=METHODS,
        samples=config["samples"],
        threshold=config["evaluate"]["threshold"],
        cohort=COHORT,
        code=code_hash("figure_4"),
    script:
        "../../scripts/figure_4.py"


rule figure_5:
    """Figure 5: explanation scores over thresholds."""
    input:
        metrics=of_methods("metrics.parquet"),
    output:
        png=report(
            "<results>/due/figures/figure5.png",
            caption="../../report/figure_5.rst",
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
        methods=METHODS,
        cohort=COHORT,
        code=code_hash("figure_5"),
    script:
        "../../scripts/figure_5.py"


rule figure_6:
    """Figure 6: one method over the weight of its explanation loss."""
    input:
        metrics=[
            "<classifiers>/{run_of(REFERENCE, lam=weight)}/metrics.parquet"
            for weight in config["paper"]["lambdas"]
        ],
        baseline="<classifiers>/{run_of('baseline')}/metrics.parquet",
    output:
        png=report(
            "<results>/due/figures/figure6.png",
            caption="../../report/figure_6.rst",
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
        weights=config["paper"]["lambdas"],
        method=REFERENCE,
        threshold=config["evaluate"]["threshold"],
        cohort=COHORT,
        code=code_hash("figure_6"),
    script:
        "../../scripts/figure_6.py"


rule figure_gap:
    """One filled gap with its variance and weights."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        samples=rules.plan_samples.output.samples_file,
        weights="<results>/due/uncertainty/weights/shards.csv",
    output:
        png=report(
            "<results>/due/figures/gap.png",
            caption="../../report/figure_gap.rst",
            category="Interpolation",
            labels={"result": "A filled gap"},
        ),
        pdf="<results>/due/figures/gap.pdf",
    log:
        "<logs>/figure_gap.log",
    benchmark:
        "<benchmarks>/figure_gap.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_gap"),
    params:
        cohort=COHORT,
        code=code_hash("figure_gap"),
    script:
        "../../scripts/figure_gap.py"


rule figure_table1:
    """Table 1 as a picture: seeds, means, and intervals over patients."""
    input:
        samples="<results>/samples/samples.parquet",
        predictions=of_methods("predictions.parquet"),
        lesions=of_methods("lesions.parquet"),
    output:
        png=report(
            "<results>/due/figures/table1.png",
            caption="../../report/figure_table1.rst",
            category="Results",
            labels={"result": "Table 1 as a picture"},
        ),
        pdf="<results>/due/figures/table1.pdf",
    log:
        "<logs>/figure_table1.log",
    benchmark:
        "<benchmarks>/figure_table1.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_table1"),
    params:
        methods=METHODS,
        seed=config["seed"],
        cohort=COHORT,
        code=code_hash("figure_table1"),
    script:
        "../../scripts/figure_table1.py"


rule figure_reliability:
    """How often a sample that is called a lesion with some probability is one."""
    input:
        of_methods("predictions.parquet"),
    output:
        png=report(
            "<results>/due/figures/reliability.png",
            caption="../../report/figure_reliability.rst",
            category="Checks",
            labels={"result": "Reliability of the probabilities"},
        ),
        pdf="<results>/due/figures/reliability.pdf",
    log:
        "<logs>/figure_reliability.log",
    benchmark:
        "<benchmarks>/figure_reliability.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_reliability"),
    params:
        methods=METHODS,
        cohort=COHORT,
        code=code_hash("figure_reliability"),
    script:
        "../../scripts/figure_reliability.py"


rule slice_browser:
    """Write the slice browser."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.plan_samples.output.samples_file,
        crops=rules.list_crops.output[0],
        filled="<results>/due/uncertainty/weights/browsed.h5",
        predictions=of_methods("predictions.parquet"),
        explanations=of_methods("explanations.h5"),
    output:
        report(
            "<results>/due/browser.html",
            caption="../../report/browser.rst",
            category="Results",
            labels={"result": "Slice browser"},
        ),
    log:
        "<logs>/slice_browser.log",
    benchmark:
        "<benchmarks>/slice_browser.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("slice_browser"),
    params:
        methods=METHODS,
        samples=config["samples"],
        cohort=COHORT,
        code=code_hash("slice_browser"),
    script:
        "../../scripts/slice_browser.py"
