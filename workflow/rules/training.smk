"""Training: classifiers, each method with all its seeds (DUE, section 4.1)."""

# The seeds that one job trains, as they stand in paths.
SEEDS_OF_JOB = SEEDS if config["train"]["seeds_per_job"] == "all" else ["{seed}"]
TRAINING_JOB = "{method}_n{n}_lambda{lam}" + (
    "" if SEEDS_OF_JOB == SEEDS else "_seed{seed}"
)


rule train_classifier:
    """Train one method with all seeds; a cut job goes on where it stopped."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.plan_samples.output.samples_file,
        crops=rules.list_crops.output[0],
        weights="<results>/due/uncertainty/weights/shards.csv",
    output:
        models=expand(
            "<classifiers>/{method}/n{n}_lambda{lam}/seed{seed}/model.pt",
            seed=SEEDS_OF_JOB,
            allow_missing=True,
        ),
        histories=expand(
            "<classifiers>/{method}/n{n}_lambda{lam}/seed{seed}/history.csv",
            seed=SEEDS_OF_JOB,
            allow_missing=True,
        ),
        progress=report(
            expand(
                "<classifiers>/{method}/n{n}_lambda{lam}/seed{seed}/progress.png",
                seed=SEEDS_OF_JOB,
                allow_missing=True,
            ),
            caption="../report/progress.rst",
            category="Training",
            subcategory="{method}",
        ),
    log:
        f"<logs>/train_classifier/{TRAINING_JOB}.log",
    benchmark:
        f"<benchmarks>/train_classifier/{TRAINING_JOB}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_classifier"),
    params:
        seeds=seeds_of_job,
        settings=TRAINING,
        samples=config["samples"],
        device=config["device"],
        folder="<classifiers>/{method}/n{n}_lambda{lam}",
        code=code_hash("train_classifier"),
    script:
        "../scripts/train_classifier.py"
