"""Interpolation study: hidden slices of all LIDC nodules, filled in by every method, on contours alone."""


wildcard_constraints:
    kind="regression|diffusion",
    filler="regression|diffusion|diffusion_one_reader|diffusion_draws|uncertainty",


rule train_study_model:
    """Train the diffusion interpolator, or its peer, on the nodules of the patients that teach."""
    output:
        "<study>/{kind}.pt",
    log:
        "<study>/logs/train_{kind}.log",
    benchmark:
        "<study>/benchmarks/train_{kind}.tsv"
    cache: CACHED
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_study_model"),
    params:
        study=config["study"],
        settings=config["interpolate"],
        seed=config["seed"],
        device=config["device"],
        resume_from="<study>/{kind}.last.pt",
        kind="{kind}",
        software=SOFTWARE,
        code=code_hash("train_study_model"),
    script:
        "../../scripts/train_study_model.py"


rule sample_study_variance:
    """Compute the variance of the diffusion in gaps of the patients that teach."""
    input:
        "<study>/diffusion.pt",
    output:
        "<study>/variance.h5",
    log:
        "<study>/logs/sample_variance.log",
    benchmark:
        "<study>/benchmarks/sample_variance.tsv"
    cache: CACHED
    conda:
        "../../../envs/explainct.yaml"
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
    script:
        "../../scripts/sample_study_variance.py"


rule train_study_uncertainty:
    """Distil that variance into the imputed uncertainty predictor."""
    input:
        rules.sample_study_variance.output[0],
    output:
        "<study>/uncertainty.pt",
    log:
        "<study>/logs/train_uncertainty.log",
    benchmark:
        "<study>/benchmarks/train_uncertainty.tsv"
    cache: CACHED
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("train_study_uncertainty"),
    params:
        settings=config["uncertainty"],
        seed=config["seed"],
        device=config["device"],
        resume_from="<study>/uncertainty.last.pt",
        software=SOFTWARE,
        code=code_hash("train_study_uncertainty"),
    script:
        "../../scripts/train_study_uncertainty.py"


rule fill_hidden_slices:
    """Fill in the hidden slices of the patients that are tested on by a learned method."""
    input:
        study_model,
    output:
        "<study>/filled/{filler}.h5",
    log:
        "<study>/logs/fill_{filler}.log",
    benchmark:
        "<study>/benchmarks/fill_{filler}.tsv"
    conda:
        "../../../envs/explainct.yaml"
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
    script:
        "../../scripts/fill_hidden_slices.py"


rule check_sampler:
    """Check the variance of draws: few steps against many, few draws against what they tend to."""
    input:
        "<study>/diffusion.pt",
    output:
        steps="<study>/sampler_steps.csv",
        draws="<study>/sampler_draws.csv",
    log:
        "<study>/logs/check_sampler.log",
    benchmark:
        "<study>/benchmarks/check_sampler.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("check_sampler"),
    params:
        study=config["study"],
        settings=config["interpolate"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("check_sampler"),
    script:
        "../../scripts/check_sampler.py"


rule interpolation_study:
    """Score every method on the hidden slices: overlap, calibration, and what its uncertainty knows of errors."""
    input:
        expand("<study>/filled/{filler}.h5", filler=config["study"]["learned"]),
    output:
        table=report(
            "<study>/interpolation.csv",
            caption="../../report/due/study.rst",
            category="Interpolation",
            labels={"result": "Study on contours (CSV)"},
        ),
        slices="<study>/interpolation_slices.parquet",
        curves="<study>/uncertainty_curves.csv",
        shapes="<study>/interpolation_shapes.csv",
        png=report(
            "<study>/interpolation.png",
            caption="../../report/due/study.rst",
            category="Interpolation",
            labels={"result": "Study on contours: overlap"},
        ),
        pdf="<study>/interpolation.pdf",
        uncertainty_png=report(
            "<study>/uncertainty.png",
            caption="../../report/due/study.rst",
            category="Interpolation",
            labels={"result": "Study on contours: uncertainty"},
        ),
        uncertainty_pdf="<study>/uncertainty.pdf",
    log:
        "<study>/logs/interpolation_study.log",
    benchmark:
        "<study>/benchmarks/interpolation_study.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("interpolation_study"),
    params:
        settings=config["study"],
        seed=config["seed"],
        code=code_hash("interpolation_study"),
    script:
        "../../scripts/interpolation_study.py"
