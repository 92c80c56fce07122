"""Explainers: a trained classifier of each method under other explainers than its own class activation map.

REQUIRED INPUTS
    results/{dataset}/samples/samples.parquet, {shard}.h5
    results/{dataset}/runs/{method}/n{n}_lambda{lam}/seed{seed}/model.pt
OUTPUTS (of the methods in `evaluate.explained_methods`, or asked for by name)
    results/{dataset}/runs/{method}/n{n}_lambda{lam}/explainers.csv  agreement, faithfulness and sanity, first seed
"""


rule compare_explainers:
    """Explain some test lesions by every explainer, and score them."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.split_patients.output.samples,
        crops=rules.list_crops.output[0],
        models=MODELS,
    output:
        report(
            "results/{dataset}/runs/{method}/n{n}_lambda{lam}/explainers.csv",
            caption="../report/explainers.rst",
            category="Checks",
            labels={"result": "Explainers of {method} (CSV)"},
        ),
    log:
        "results/{dataset}/logs/compare_explainers/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "results/{dataset}/benchmarks/compare_explainers/{method}_n{n}_lambda{lam}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("compare_explainers"),
    params:
        settings=config["evaluate"],
        batch_size=config["train"]["batch_size"],
        samples=config["samples"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("compare_explainers"),
    message:
        "Explaining {wildcards.method} by every explainer"
    script:
        "../scripts/compare_explainers.py"
