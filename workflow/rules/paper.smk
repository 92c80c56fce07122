"""Paper: the tables and figures of the paper, with the published numbers beside ours.

REQUIRED INPUTS
    results/{dataset}/runs/{method}/n{n}_lambda{lam}/metrics.parquet, lesions.parquet, explanations.h5
OUTPUTS
    results/tables/table1.csv, .md, .tex, .html
    results/tables/differences.csv  each method against the reference, with intervals over patients
    results/figures/{dataset}_figure4, _figure5: .png, .pdf
"""


rule table_1:
    """Table 1: prediction and explanation of every method."""
    input:
        metrics=of_methods("metrics.parquet"),
    output:
        csv=report(
            "results/tables/table1.csv",
            caption="../report/table_1.rst",
            category="Results",
            labels={"result": "Table 1 (CSV)"},
        ),
        md="results/tables/table1.md",
        tex="results/tables/table1.tex",
        html=report(
            "results/tables/table1.html",
            caption="../report/table_1.rst",
            category="Results",
            labels={"result": "Table 1"},
        ),
    log:
        f"results/{DATASET}/logs/table_1.log",
    benchmark:
        f"results/{DATASET}/benchmarks/table_1.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("table_1"),
    params:
        methods=METHODS,
        dataset=DATASET,
        cohort=COHORT,
        threshold=config["evaluate"]["threshold"],
        code=code_hash("table_1"),
    message:
        "Writing Table 1"
    script:
        "../scripts/table_1.py"


rule compare_methods:
    """Compare each method with the reference on the same test patients."""
    input:
        samples=f"results/{DATASET}/samples/samples.parquet",
        predictions=of_methods("predictions.parquet"),
        lesions=of_methods("lesions.parquet"),
    output:
        report(
            "results/tables/differences.csv",
            caption="../report/differences.rst",
            category="Results",
            labels={"result": "Differences between methods (CSV)"},
        ),
    log:
        f"results/{DATASET}/logs/compare_methods.log",
    benchmark:
        f"results/{DATASET}/benchmarks/compare_methods.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("compare_methods"),
    params:
        methods=METHODS,
        reference=REFERENCE,
        seed=config["seed"],
        code=code_hash("compare_methods"),
    message:
        "Comparing methods with {params.reference}"
    script:
        "../scripts/compare_methods.py"


rule figure_4:
    """Figure 4: CT, readers' contours, and the heatmap of each method."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.split_patients.output.samples,
        crops=rules.list_crops.output[0],
        explanations=of_methods("explanations.h5"),
    output:
        png=report(
            "results/figures/{dataset}_figure4.png",
            caption="../report/figure_4.rst",
            category="Results",
            labels={"result": "Figure 4: heatmaps"},
        ),
        pdf="results/figures/{dataset}_figure4.pdf",
    log:
        "results/{dataset}/logs/figure_4.log",
    benchmark:
        "results/{dataset}/benchmarks/figure_4.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_4"),
    params:
        methods=METHODS,
        samples=config["samples"],
        threshold=config["evaluate"]["threshold"],
        cohort=COHORT,
        code=code_hash("figure_4"),
    message:
        "Drawing Figure 4"
    script:
        "../scripts/figure_4.py"


rule figure_5:
    """Figure 5: explanation scores over thresholds."""
    input:
        metrics=of_methods("metrics.parquet"),
    output:
        png=report(
            "results/figures/{dataset}_figure5.png",
            caption="../report/figure_5.rst",
            category="Results",
            labels={"result": "Figure 5: thresholds"},
        ),
        pdf="results/figures/{dataset}_figure5.pdf",
    log:
        "results/{dataset}/logs/figure_5.log",
    benchmark:
        "results/{dataset}/benchmarks/figure_5.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_5"),
    params:
        methods=METHODS,
        cohort=COHORT,
        code=code_hash("figure_5"),
    message:
        "Drawing Figure 5"
    script:
        "../scripts/figure_5.py"
