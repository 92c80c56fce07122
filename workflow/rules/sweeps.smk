"""Sweeps: the paper's figures over many runs. A run that two of them share is trained once.

REQUIRED INPUTS
    results/{dataset}/runs/{method}/n{n}_lambda{lam}/metrics.parquet
OUTPUTS
    results/figures/{dataset}_figure3.png, .pdf  scores over the number of training samples
    results/figures/{dataset}_figure6.png, .pdf  scores over the weight of the explanation loss
"""

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
            f"results/{DATASET}/runs/{run_of(method, n)}/metrics.parquet"
            for method, n in SAMPLE_SWEEP
        ],
    output:
        png=report(
            f"results/figures/{DATASET}_figure3.png",
            caption="../report/figure_3.rst",
            category="Results",
            labels={"result": "Figure 3: training samples"},
        ),
        pdf=f"results/figures/{DATASET}_figure3.pdf",
    log:
        f"results/{DATASET}/logs/figure_3.log",
    benchmark:
        f"results/{DATASET}/benchmarks/figure_3.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_3"),
    params:
        runs=SAMPLE_SWEEP,
        threshold=config["evaluate"]["threshold"],
        cohort=COHORT,
        code=code_hash("figure_3"),
    message:
        "Drawing Figure 3"
    script:
        "../scripts/figure_3.py"


rule figure_6:
    """Figure 6: one method over the weight of its explanation loss."""
    input:
        metrics=[
            f"results/{DATASET}/runs/{run_of(REFERENCE, lam=weight)}/metrics.parquet"
            for weight in config["paper"]["lambdas"]
        ],
        baseline=f"results/{DATASET}/runs/{run_of('baseline')}/metrics.parquet",
    output:
        png=report(
            f"results/figures/{DATASET}_figure6.png",
            caption="../report/figure_6.rst",
            category="Results",
            labels={"result": "Figure 6: lambda"},
        ),
        pdf=f"results/figures/{DATASET}_figure6.pdf",
    log:
        f"results/{DATASET}/logs/figure_6.log",
    benchmark:
        f"results/{DATASET}/benchmarks/figure_6.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("figure_6"),
    params:
        weights=config["paper"]["lambdas"],
        method=REFERENCE,
        threshold=config["evaluate"]["threshold"],
        cohort=COHORT,
        code=code_hash("figure_6"),
    message:
        "Drawing Figure 6"
    script:
        "../scripts/figure_6.py"
