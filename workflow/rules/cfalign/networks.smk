"""CF-Align: the networks of the compared methods, and what they say of test patients."""


rule train_autoencoder:
    """Train an autoencoder of the training views for each strength of the planted cue."""
    input:
        **VIEWED,
    output:
        model_files=AUTOENCODERS,
        history_files=AUTOENCODER_HISTORIES,
    log:
        "<logs>/train_autoencoder.log",
    benchmark:
        "<benchmarks>/train_autoencoder.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_autoencoder"),
    params:
        arguments={
            "settings": config["counterfactual"]["autoencoder"],
            **pick("counterfactual", "strengths", "window"),
            "cue": CUE,
            "seed": config["seed"],
            "device": config["device"],
        },
        code=code_hash("train_autoencoder"),
    script:
        "../../scripts/train_autoencoder.py"


rule train_compared:
    """Train a method with every strength of the cue and every seed; a cut job goes on where it stopped."""
    input:
        **VIEWED,
        autoencoder_files=autoencoders_of,
    output:
        model_files=ALIGNED_MODELS,
        history_files=ALIGNED_HISTORIES,
    log:
        "<logs>/train_compared/{compared}.log",
    benchmark:
        "<benchmarks>/train_compared/{compared}.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_compared"),
    params:
        arguments=compared_training,
        code=code_hash("train_compared"),
    script:
        "../../scripts/train_compared.py"


rule evaluate_compared:
    """Predict with the cue aligned, absent and reversed, and say where maps and counterfactuals lie."""
    input:
        **VIEWED,
        model_files=ALIGNED_MODELS,
    output:
        predictions_file="<cfalign>/{compared}/predictions.parquet",
        explanations_file="<cfalign>/{compared}/explanations.parquet",
    log:
        "<logs>/evaluate_compared/{compared}.log",
    benchmark:
        "<benchmarks>/evaluate_compared/{compared}.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("evaluate_compared"),
    params:
        arguments=compared_evaluation,
        code=code_hash("evaluate_compared"),
    script:
        "../../scripts/evaluate_compared.py"
