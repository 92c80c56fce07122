"""Evaluate: predictions and explanations of the test patients, and how good they are.

REQUIRED INPUTS
    results/{dataset}/samples/samples.parquet, {shard}.h5
    results/{dataset}/runs/{method}/n{n}_lambda{lam}/seed{seed}/model.pt
OUTPUTS, under results/{dataset}/runs/{method}/n{n}_lambda{lam}/
    predictions.parquet  probability and class of every test sample
    explanations.h5      class activation maps of every test lesion
    metrics.parquet      strict metrics, and the published ones under their honest names
    lesions.parquet      the scores of single lesions
"""


rule explain_classifier:
    """Predict every test sample and explain every test lesion, for all seeds of a run."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.split_patients.output.samples,
        crops=rules.list_crops.output[0],
        models=MODELS,
    output:
        predictions="results/{dataset}/runs/{method}/n{n}_lambda{lam}/predictions.parquet",
        explanations="results/{dataset}/runs/{method}/n{n}_lambda{lam}/explanations.h5",
    log:
        "results/{dataset}/logs/explain_classifier/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "results/{dataset}/benchmarks/explain_classifier/{method}_n{n}_lambda{lam}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("explain_classifier"),
    params:
        seeds=SEEDS,
        settings=TRAINING,
        samples=config["samples"],
        device=config["device"],
        code=code_hash("explain_classifier"),
    message:
        "Predicting and explaining with {wildcards.method}"
    script:
        "../scripts/explain_classifier.py"


rule evaluate_classifier:
    """Score the predictions and explanations of a run."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.split_patients.output.samples,
        crops=rules.list_crops.output[0],
        predictions=rules.explain_classifier.output.predictions,
        explanations=rules.explain_classifier.output.explanations,
    output:
        metrics="results/{dataset}/runs/{method}/n{n}_lambda{lam}/metrics.parquet",
        lesions="results/{dataset}/runs/{method}/n{n}_lambda{lam}/lesions.parquet",
    log:
        "results/{dataset}/logs/evaluate_classifier/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "results/{dataset}/benchmarks/evaluate_classifier/{method}_n{n}_lambda{lam}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("evaluate_classifier"),
    params:
        threshold=config["evaluate"]["threshold"],
        samples=config["samples"],
        code=code_hash("evaluate_classifier"),
    message:
        "Scoring {wildcards.method}"
    script:
        "../scripts/evaluate_classifier.py"
