"""Plots: pictures that the paper does not have, of a filled gap, Table 1 and its predictions.

REQUIRED INPUTS
    results/{dataset}/uncertainty/weights/{shard}.h5
    results/{dataset}/runs/{method}/n{n}_lambda{lam}/predictions.parquet, lesions.parquet
OUTPUTS
    results/figures/{dataset}_gap.png, .pdf          a filled gap with its variance and weights
    results/figures/{dataset}_table1.png, .pdf       seeds, means, and intervals over patients
    results/figures/{dataset}_reliability.png, .pdf  share of lesions over the predicted probability
"""


rule figure_gap:
    """One filled gap with its variance and weights."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        samples=rules.split_patients.output.samples,
        weights=rules.list_weights.output[0],
    output:
        png=report(
            "results/figures/{dataset}_gap.png",
            caption="../report/figure_gap.rst",
            category="Interpolation",
            labels={"result": "A filled gap"},
        ),
        pdf="results/figures/{dataset}_gap.pdf",
    log:
        "results/{dataset}/logs/figure_gap.log",
    benchmark:
        "results/{dataset}/benchmarks/figure_gap.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_gap"),
    params:
        cohort=COHORT,
        code=code_hash("figure_gap"),
    message:
        "Drawing a filled gap"
    script:
        "../scripts/figure_gap.py"


rule figure_table1:
    """Table 1 as a picture: seeds, means, and intervals over patients."""
    input:
        samples=f"results/{DATASET}/samples/samples.parquet",
        predictions=of_methods("predictions.parquet"),
        lesions=of_methods("lesions.parquet"),
    output:
        png=report(
            f"results/figures/{DATASET}_table1.png",
            caption="../report/figure_table1.rst",
            category="Results",
            labels={"result": "Table 1 as a picture"},
        ),
        pdf=f"results/figures/{DATASET}_table1.pdf",
    log:
        f"results/{DATASET}/logs/figure_table1.log",
    benchmark:
        f"results/{DATASET}/benchmarks/figure_table1.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_table1"),
    params:
        methods=METHODS,
        seed=config["seed"],
        cohort=COHORT,
        code=code_hash("figure_table1"),
    message:
        "Drawing Table 1"
    script:
        "../scripts/figure_table1.py"


rule figure_reliability:
    """How often a sample that is called a lesion with some probability is one."""
    input:
        of_methods("predictions.parquet"),
    output:
        png=report(
            f"results/figures/{DATASET}_reliability.png",
            caption="../report/figure_reliability.rst",
            category="Checks",
            labels={"result": "Reliability of the probabilities"},
        ),
        pdf=f"results/figures/{DATASET}_reliability.pdf",
    log:
        f"results/{DATASET}/logs/figure_reliability.log",
    benchmark:
        f"results/{DATASET}/benchmarks/figure_reliability.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_reliability"),
    params:
        methods=METHODS,
        cohort=COHORT,
        code=code_hash("figure_reliability"),
    message:
        "Drawing the reliability of predictions"
    script:
        "../scripts/figure_reliability.py"
