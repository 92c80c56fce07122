"""Evaluation: predictions and explanations of the test patients, and how good they are."""


rule explain_classifier:
    """Predict every validation and test sample and explain every test lesion, for all seeds of a run."""
    input:
        **SAMPLES,
        model_files=MODELS,
    output:
        predictions_file="<classifiers>/{method}/n{n}_lambda{lam}/predictions.parquet",
        validation_file="<classifiers>/{method}/n{n}_lambda{lam}/validation.parquet",
        explanations_file="<classifiers>/{method}/n{n}_lambda{lam}/explanations.h5",
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
        arguments=alarm_arguments,
        code=code_hash("explain_classifier"),
    script:
        "../scripts/explain_classifier.py"


rule evaluate_classifier:
    """Score the predictions and explanations of a run."""
    input:
        **SAMPLES,
        predictions_file=rules.explain_classifier.output.predictions_file,
        validation_file=rules.explain_classifier.output.validation_file,
        explanations_file=rules.explain_classifier.output.explanations_file,
    output:
        metrics_file="<classifiers>/{method}/n{n}_lambda{lam}/metrics.parquet",
        lesion_metrics_file="<classifiers>/{method}/n{n}_lambda{lam}/lesions.parquet",
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
        arguments=evaluation_arguments,
        code=code_hash("evaluate_classifier"),
    script:
        "../scripts/evaluate_classifier.py"


# Of classifiers that were trained on thinned annotation; what they are judged against is not thinned.
use rule explain_classifier as explain_thinned with:
    input:
        **SAMPLES,
        model_files=THINNED_MODELS,
    output:
        predictions_file=f"{THINNED_RUN}/predictions.parquet",
        validation_file=f"{THINNED_RUN}/validation.parquet",
        explanations_file=f"{THINNED_RUN}/explanations.h5",
    log:
        "<logs>/explain_thinned/{outlines}_{slices}/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "<benchmarks>/explain_thinned/{outlines}_{slices}/{method}_n{n}_lambda{lam}.tsv"
    resources:
        **asks("explain_thinned"),


use rule evaluate_classifier as evaluate_thinned with:
    input:
        **SAMPLES,
        predictions_file=rules.explain_thinned.output.predictions_file,
        validation_file=rules.explain_thinned.output.validation_file,
        explanations_file=rules.explain_thinned.output.explanations_file,
    output:
        metrics_file=f"{THINNED_RUN}/metrics.parquet",
        lesion_metrics_file=f"{THINNED_RUN}/lesions.parquet",
    log:
        "<logs>/evaluate_thinned/{outlines}_{slices}/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "<benchmarks>/evaluate_thinned/{outlines}_{slices}/{method}_n{n}_lambda{lam}.tsv"
    resources:
        **asks("evaluate_thinned"),


rule compare_explainers:
    """Explain some test lesions by every explainer, and score them."""
    input:
        **SAMPLES,
        model_file=MODELS[0],
    output:
        explainers_file=report(
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
        arguments=explainer_arguments,
        code=code_hash("compare_explainers"),
    script:
        "../scripts/compare_explainers.py"


rule predict_cued:
    """Predict every test sample with the cue aligned, absent and reversed."""
    input:
        **SAMPLES,
        model_files=MODELS,
    output:
        cued_file="<classifiers>/{method}/n{n}_lambda{lam}/cued.parquet",
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
        arguments=prediction_arguments,
        code=code_hash("predict_cued"),
    script:
        "../scripts/predict_cued.py"
