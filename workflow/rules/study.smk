"""Study: slices of all LIDC nodules that were annotated are hidden, filled in by every method, and compared.

REQUIRED INPUTS
    results/study/*.pt, for the learned methods that `study.learned` names
OUTPUTS (asked for by name)
    results/study/filled/{filler}.h5         what a learned method says of the hidden slices
    results/tables/interpolation.csv         scores of all methods; slices, curves and shapes beside it
    results/figures/interpolation.png, .pdf  overlap with the hidden slices
    results/figures/uncertainty.png, .pdf    what the uncertainty knows
    results/tables/sampler_steps.csv         variance of draws over the length of the chain; over their number beside it
"""


wildcard_constraints:
    filler="regression|diffusion|diffusion_one_reader|diffusion_draws|uncertainty",


rule fill_hidden_slices:
    """Fill in the hidden slices of the patients that are tested on by a learned method."""
    input:
        study_model,
    output:
        "results/study/filled/{filler}.h5",
    log:
        "results/study/logs/fill_{filler}.log",
    benchmark:
        "results/study/benchmarks/fill_{filler}.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("fill_hidden_slices"),
    params:
        study=config["study"],
        settings=config["interpolate"],
        latent=config["uncertainty"]["latent_at_inference"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("fill_hidden_slices"),
    message:
        "Filling in hidden slices of LIDC nodules: {wildcards.filler}"
    script:
        "../scripts/fill_hidden_slices.py"


rule check_sampler:
    """Check the variance of draws: few steps against many, few draws against what they tend to."""
    input:
        "results/study/diffusion.pt",
    output:
        steps="results/tables/sampler_steps.csv",
        draws="results/tables/sampler_draws.csv",
    log:
        "results/study/logs/check_sampler.log",
    benchmark:
        "results/study/benchmarks/check_sampler.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("check_sampler"),
    params:
        study=config["study"],
        settings=config["interpolate"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("check_sampler"),
    message:
        "Checking the variance of draws"
    script:
        "../scripts/check_sampler.py"


rule interpolation_study:
    """Score every method on the hidden slices: overlap, calibration, and what its uncertainty knows of errors."""
    input:
        expand("results/study/filled/{filler}.h5", filler=config["study"]["learned"]),
    output:
        table=report(
            "results/tables/interpolation.csv",
            caption="../report/study.rst",
            category="Interpolation",
            labels={"result": "Study on contours (CSV)"},
        ),
        slices="results/tables/interpolation_slices.parquet",
        curves="results/tables/uncertainty_curves.csv",
        shapes="results/tables/interpolation_shapes.csv",
        png=report(
            "results/figures/interpolation.png",
            caption="../report/study.rst",
            category="Interpolation",
            labels={"result": "Study on contours: overlap"},
        ),
        pdf="results/figures/interpolation.pdf",
        uncertainty_png=report(
            "results/figures/uncertainty.png",
            caption="../report/study.rst",
            category="Interpolation",
            labels={"result": "Study on contours: uncertainty"},
        ),
        uncertainty_pdf="results/figures/uncertainty.pdf",
    log:
        "results/tables/interpolation.log",
    benchmark:
        "results/benchmarks/interpolation_study.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("interpolation_study"),
    params:
        settings=config["study"],
        seed=config["seed"],
        code=code_hash("interpolation_study"),
    message:
        "Filling in hidden slices of LIDC nodules"
    script:
        "../scripts/interpolation_study.py"
