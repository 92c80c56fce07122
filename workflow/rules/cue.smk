"""Cue: methods that were shown a shortcut in training, tested with it, without it, and with its opposite.

Asked for by name, with settings that plant the cue: snakemake cue_table --configfile config/demo_cue.yaml

REQUIRED INPUTS
    results/{dataset}/samples/samples.parquet, {shard}.h5
    results/{dataset}/runs/{method}/n{n}_lambda{lam}/seed{seed}/model.pt
OUTPUTS
    results/{dataset}/runs/{method}/n{n}_lambda{lam}/cued.parquet  predictions with the cue aligned, absent and reversed
    results/tables/cue.csv, .md                                    what each method is worth then
"""


rule predict_cued:
    """Predict every test sample with the cue aligned, absent and reversed."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.split_patients.output.samples,
        crops=rules.list_crops.output[0],
        models=MODELS,
    output:
        "results/{dataset}/runs/{method}/n{n}_lambda{lam}/cued.parquet",
    log:
        "results/{dataset}/logs/predict_cued/{method}_n{n}_lambda{lam}.log",
    benchmark:
        "results/{dataset}/benchmarks/predict_cued/{method}_n{n}_lambda{lam}.tsv"
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
    message:
        "Predicting with and without the cue: {wildcards.method}"
    script:
        "../scripts/predict_cued.py"


rule cue_table:
    """Write what each method is worth with the cue, without it, and with its opposite."""
    input:
        of_methods("cued.parquet"),
    output:
        csv=report(
            "results/tables/cue.csv",
            caption="../report/cue.rst",
            category="Checks",
            labels={"result": "Planted cue (CSV)"},
        ),
        md="results/tables/cue.md",
    log:
        f"results/{DATASET}/logs/cue_table.log",
    benchmark:
        f"results/{DATASET}/benchmarks/cue_table.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("cue_table"),
    params:
        methods=METHODS,
        cohort=COHORT,
        strength=config["samples"]["cue"]["strength"],
        code=code_hash("cue_table"),
    message:
        "Writing the table of the planted cue"
    script:
        "../scripts/cue_table.py"
