"""Training: classifiers, a method with one seed or with all (DUE, section 4.1)."""


rule train_classifier:
    """Train one method with one seed; a cut job goes on where it stopped."""
    input:
        **SAMPLES,
        weights_file=weights_of,
    output:
        model_files="<classifiers>/{method}/n{n}_lambda{lam}/seed{seed}/model.pt",
        history_files="<classifiers>/{method}/n{n}_lambda{lam}/seed{seed}/history.csv",
    log:
        "<logs>/train_classifier/{method}_n{n}_lambda{lam}_seed{seed}.log",
    benchmark:
        "<benchmarks>/train_classifier/{method}_n{n}_lambda{lam}_seed{seed}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_classifier"),
    params:
        arguments=training_arguments,
        code=training_code,
    script:
        "../scripts/train_classifier.py"


# One job for all seeds reads the samples once. A method with some models gets the missing ones seed by seed, so that a
# seed added trains itself alone.
use rule train_classifier as train_all_seeds with:
    output:
        model_files=MODELS,
        history_files=HISTORIES,
    log:
        "<logs>/train_all_seeds/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "<benchmarks>/train_all_seeds/{method}_n{n}_lambda{lam}.tsv"
    wildcard_constraints:
        method="|".join(not_yet_trained()) or NOTHING,
    resources:
        **asks("train_all_seeds"),


ruleorder: train_all_seeds > train_classifier


# Samples, crops and splits are those of every run; the annotation that trains is thinned, that which tests is not.
use rule train_classifier as train_thinned with:
    input:
        **SAMPLES,
        weights_file="<annotation_study>/{outlines}_{slices}/weights/shards.csv",
    output:
        model_files=THINNED_MODELS,
        history_files=THINNED_HISTORIES,
    log:
        "<logs>/train_thinned/{outlines}_{slices}/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "<benchmarks>/train_thinned/{outlines}_{slices}/{method}_n{n}_lambda{lam}.tsv"
    resources:
        **asks("train_thinned"),


rule plot_progress:
    """Draw losses and validation score of each training of a run."""
    input:
        history_files=HISTORIES,
    output:
        progress_files=report(
            expand(
                "<classifiers>/{method}/n{n}_lambda{lam}/seed{seed}/progress.png",
                seed=SEEDS,
                allow_missing=True,
            ),
            caption="../report/progress.rst",
            category="Training",
            subcategory="{method}",
        ),
    log:
        "<logs>/plot_progress/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "<benchmarks>/plot_progress/{method}_n{n}_lambda{lam}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("plot_progress"),
    params:
        code=code_hash("plot_progress"),
    script:
        "../scripts/plot_progress.py"
