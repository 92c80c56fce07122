"""Evaluation: predictions and explanations of the test patients, and how good they are."""


rule explain_classifier:
    """Predict every test sample and explain every test lesion, for all seeds of a run."""
    input:
        lesions=rules.extract_annotations.output.lesions_file,
        slices=rules.extract_annotations.output.slices_file,
        samples=rules.plan_samples.output.samples_file,
        crops="<results>/samples/shards.csv",
        models=MODELS,
    output:
        predictions="<classifiers>/{method}/n{n}_lambda{lam}/predictions.parquet",
        explanations="<classifiers>/{method}/n{n}_lambda{lam}/explanations.h5",
    log:
        "<logs>/explain_classifier/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "<benchmarks>/explain_classifier/{method}_n{n}_lambda{lam}.tsv"
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
    script:
        "../scripts/explain_classifier.py"


rule evaluate_classifier:
    """Score the predictions and explanations of a run."""
    input:
        lesions=rules.extract_annotations.output.lesions_file,
        slices=rules.extract_annotations.output.slices_file,
        samples=rules.plan_samples.output.samples_file,
        crops="<results>/samples/shards.csv",
        predictions=rules.explain_classifier.output.predictions,
        explanations=rules.explain_classifier.output.explanations,
    output:
        metrics="<classifiers>/{method}/n{n}_lambda{lam}/metrics.parquet",
        lesions="<classifiers>/{method}/n{n}_lambda{lam}/lesions.parquet",
    log:
        "<logs>/evaluate_classifier/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "<benchmarks>/evaluate_classifier/{method}_n{n}_lambda{lam}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("evaluate_classifier"),
    params:
        threshold=config["evaluate"]["threshold"],
        samples=config["samples"],
        code=code_hash("evaluate_classifier"),
    script:
        "../scripts/evaluate_classifier.py"


rule compare_explainers:
    """Explain some test lesions by every explainer, and score them."""
    input:
        lesions=rules.extract_annotations.output.lesions_file,
        slices=rules.extract_annotations.output.slices_file,
        samples=rules.plan_samples.output.samples_file,
        crops="<results>/samples/shards.csv",
        models=MODELS,
    output:
        report(
            "<classifiers>/{method}/n{n}_lambda{lam}/explainers.csv",
            caption="../report/explainers.rst",
            category="Checks",
            labels={"result": "Explainers of {method} (CSV)"},
        ),
    log:
        "<logs>/compare_explainers/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "<benchmarks>/compare_explainers/{method}_n{n}_lambda{lam}.tsv"
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
    script:
        "../scripts/compare_explainers.py"


rule predict_cued:
    """Predict every test sample with the cue aligned, absent and reversed."""
    input:
        lesions=rules.extract_annotations.output.lesions_file,
        slices=rules.extract_annotations.output.slices_file,
        samples=rules.plan_samples.output.samples_file,
        crops="<results>/samples/shards.csv",
        models=MODELS,
    output:
        "<classifiers>/{method}/n{n}_lambda{lam}/cued.parquet",
    log:
        "<logs>/predict_cued/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "<benchmarks>/predict_cued/{method}_n{n}_lambda{lam}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("predict_cued"),
    params:
        seeds=SEEDS,
        settings=TRAINING,
        samples=config["samples"],
        device=config["device"],
        code=code_hash("predict_cued"),
    script:
        "../scripts/predict_cued.py"
