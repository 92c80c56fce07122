"""Interpolation study: hidden slices of LIDC's nodules with three or four readers, filled in by every method, on contours alone."""

# Who is tested on, where the settings name a file: an input of every rule that splits patients.
SPLITS = config["study"]["splits"] or []
LEARNED = config["study"]["learned"]
# What draws of a method depend on.
DRAWN = pick("interpolate", "size", "steps", "filling") | pick("uncertainty", "draws")


wildcard_constraints:
    kind="regression|diffusion",
    filler="regression|diffusion|diffusion_one_reader|diffusion_draws|uncertainty",


rule train_study_model:
    """Train the diffusion interpolator, or the baseline method, on the nodules of the patients that teach."""
    input:
        splits_file=SPLITS,
    output:
        model_file="<study>/{kind}.pt",
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
        arguments={
            **pick("study", "test"),
            "settings": INTERPOLATOR,
            "seed": config["seed"],
            "device": config["device"],
        },
        kind="{kind}",
        software=SOFTWARE,
        code=code_hash("train_study_model"),
    script:
        "../../scripts/train_study_model.py"


rule sample_study_variance:
    """Sample the variance of the diffusion in gaps of the patients that teach."""
    input:
        model_file="<study>/diffusion.pt",
        splits_file=SPLITS,
    output:
        out_file="<study>/variance.h5",
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
        arguments={
            **pick("study", "test"),
            "settings": VARIANCE,
            "seed": config["seed"],
            "device": config["device"],
        },
        software=SOFTWARE,
        code=code_hash("sample_study_variance"),
    script:
        "../../scripts/sample_study_variance.py"


use rule train_uncertainty as train_study_uncertainty with:
    input:
        variance_file=rules.sample_study_variance.output.out_file,
    output:
        model_file="<study>/uncertainty.pt",
    log:
        "<study>/logs/train_uncertainty.log",
    benchmark:
        "<study>/benchmarks/train_uncertainty.tsv"
    # Snakemake does not take this from the rule above.
    cache: CACHED
    resources:
        **asks("train_study_uncertainty"),


rule fill_hidden_slices:
    """Fill in the hidden slices of the patients that are tested on by a learned method."""
    input:
        model_file=study_model,
        splits_file=SPLITS,
    output:
        out_file="<study>/filled/{filler}.h5",
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
        arguments={
            **pick("study", "test", "every"),
            "settings": DRAWN,
            "latent": config["uncertainty"]["latent_at_inference"],
            "seed": config["seed"],
            "device": config["device"],
        },
        code=code_hash("fill_hidden_slices"),
    script:
        "../../scripts/fill_hidden_slices.py"


rule check_sampler:
    """Check the variance of draws: few steps against many, few draws against what they tend to."""
    input:
        model_file="<study>/diffusion.pt",
        splits_file=SPLITS,
    output:
        steps_file="<study>/sampler_steps.csv",
        draws_file="<study>/sampler_draws.csv",
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
        arguments={
            **pick("study", "test", "every"),
            **pick("study", "check_gaps", "check_steps", "check_draws"),
            **pick("interpolate", "size"),
            "seed": config["seed"],
            "device": config["device"],
        },
        code=code_hash("check_sampler"),
    script:
        "../../scripts/check_sampler.py"


rule planes_between:
    """Score planes between slices: truth of thin slices, and how uncertainty leaves annotated slices."""
    input:
        model_files=sorted({f"<study>/{name.split('_')[0]}.pt" for name in LEARNED}),
        splits_file=SPLITS,
    output:
        fractional_file=report(
            "<study>/fractional.csv",
            caption="../../report/due/planes.rst",
            category="Interpolation",
            labels={"result": "Thin slices between thick ones (CSV)"},
        ),
        planes_file=report(
            "<study>/planes.csv",
            caption="../../report/due/planes.rst",
            category="Interpolation",
            labels={"result": "Planes beside annotated slices (CSV)"},
        ),
    log:
        "<study>/logs/planes_between.log",
    benchmark:
        "<study>/benchmarks/planes_between.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("planes_between"),
    params:
        arguments={
            **pick("study", "test", "learned"),
            "settings": DRAWN,
            "latent": config["uncertainty"]["latent_at_inference"],
            "seed": config["seed"],
            "device": config["device"],
        },
        code=code_hash("planes_between"),
    script:
        "../../scripts/planes_between.py"


rule interpolation_study:
    """Score every method on the hidden slices: overlap, calibration, and what its uncertainty knows of errors."""
    input:
        filled_files=expand("<study>/filled/{filler}.h5", filler=LEARNED),
        splits_file=SPLITS,
    output:
        table_file=report(
            "<study>/interpolation.csv",
            caption="../../report/due/study.rst",
            category="Interpolation",
            labels={"result": "Study on contours (CSV)"},
        ),
        slices_file="<study>/interpolation_slices.parquet",
        curves_file="<study>/uncertainty_curves.csv",
        shapes_file="<study>/interpolation_shapes.csv",
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
        arguments={
            **pick("study", "test", "every"),
            "seed": config["seed"],
        },
        code=code_hash("interpolation_study"),
    script:
        "../../scripts/interpolation_study.py"


rule interpolation_figure:
    """Draw the overlap of every method with the hidden slices."""
    input:
        table_file=rules.interpolation_study.output.table_file,
    output:
        png=report(
            "<study>/interpolation.png",
            caption="../../report/due/study.rst",
            category="Interpolation",
            labels={"result": "Study on contours: overlap"},
        ),
        pdf="<study>/interpolation.pdf",
    log:
        "<study>/logs/interpolation_figure.log",
    benchmark:
        "<study>/benchmarks/interpolation_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("interpolation_figure"),
    params:
        code=code_hash("interpolation_figure"),
    script:
        "../../scripts/interpolation_figure.py"


rule uncertainty_figure:
    """Draw what the uncertainty of every method knows of its errors."""
    input:
        table_file=rules.interpolation_study.output.curves_file,
    output:
        png=report(
            "<study>/uncertainty.png",
            caption="../../report/due/study.rst",
            category="Interpolation",
            labels={"result": "Study on contours: uncertainty"},
        ),
        pdf="<study>/uncertainty.pdf",
    log:
        "<study>/logs/uncertainty_figure.log",
    benchmark:
        "<study>/benchmarks/uncertainty_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("uncertainty_figure"),
    params:
        code=code_hash("uncertainty_figure"),
    script:
        "../../scripts/uncertainty_figure.py"
