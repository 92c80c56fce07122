"""Annotation study: methods over the number of outlined slices, and over whose outlines they are."""

# Rules take the paths of scripts from the rule that they are made of, relative to their own file. So training and
# evaluation with thinned annotation stand in training.smk and evaluation.smk.
# The methods that see volumes: scores on the middle slice alone do not compare with theirs.
STUDIED = [name for name in METHODS if methods.METHODS[name].sees == "volume"]
ANNOTATIONS = [
    [outlines, str(slices)]
    for outlines in config["annotation_study"]["outlines"]
    for slices in config["annotation_study"]["slices"]
]
CONDITIONS = [[*annotation, method] for annotation in ANNOTATIONS for method in STUDIED]


rule thin_annotation:
    """Thin the annotation of the training lesions: fewer outlined slices, or one reader in place of the consensus."""
    input:
        slices_file="<results>/annotate/slices.h5",
        samples_file="<results>/samples/samples.parquet",
    output:
        thinned_file="<annotation_study>/{outlines}_{slices}/slices.h5",
    log:
        "<logs>/thin_annotation/{outlines}_{slices}.log",
    benchmark:
        "<benchmarks>/thin_annotation/{outlines}_{slices}.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("thin_annotation"),
    params:
        arguments={"seed": config["seed"]},
        code=code_hash("thin_annotation"),
    script:
        "../../scripts/thin_annotation.py"


use rule map_weights as map_thinned_weights with:
    input:
        lesions_file="<results>/annotate/lesions.parquet",
        slices_file=rules.thin_annotation.output.thinned_file,
        samples_file="<results>/samples/samples.parquet",
        model_file=FILLER,
        predictor_file=rules.train_uncertainty.output.model_file,
    output:
        out_file="<annotation_study>/{outlines}_{slices}/weights/{part}.h5",
    log:
        "<logs>/map_thinned_weights/{outlines}_{slices}/{part}.log",
    benchmark:
        "<benchmarks>/map_thinned_weights/{outlines}_{slices}/{part}.tsv"
    resources:
        **asks("map_thinned_weights"),


rule rate_annotations:
    """Compare what fills the gaps of the thinned annotation with the consensus on all slices."""
    input:
        **SAMPLES,
        weights_files=[
            f"<annotation_study>/{outlines}_{slices}/weights/shards.csv"
            for outlines, slices in ANNOTATIONS
        ],
    output:
        annotations_file="<annotation_study>/annotations.csv",
    log:
        "<logs>/rate_annotations.log",
    benchmark:
        "<benchmarks>/rate_annotations.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("rate_annotations"),
    params:
        arguments={
            "conditions": ANNOTATIONS,
            "reading": pick("samples", "grid"),
            "seed": config["seed"],
        },
        code=code_hash("rate_annotations"),
    script:
        "../../scripts/rate_annotations.py"


rule compare_annotations:
    """Score every method with every annotation, with paired differences over patients."""
    input:
        annotations_file=rules.rate_annotations.output.annotations_file,
        samples_file=SAMPLES["samples_file"],
        predictions_files=[
            f"{thinned_run_of(*condition)}/predictions.parquet"
            for condition in CONDITIONS
        ],
        lesions_files=[
            f"{thinned_run_of(*condition)}/lesions.parquet" for condition in CONDITIONS
        ],
    output:
        scores_file=report(
            "<annotation_study>/scores.csv",
            caption="../../report/due/annotation_study.rst",
            category="Results",
            labels={"result": "Annotation study: scores (CSV)"},
        ),
        differences_file=report(
            "<annotation_study>/differences.csv",
            caption="../../report/due/annotation_study.rst",
            category="Results",
            labels={"result": "Annotation study: differences (CSV)"},
        ),
        md="<annotation_study>/tables.md",
    log:
        "<logs>/compare_annotations.log",
    benchmark:
        "<benchmarks>/compare_annotations.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("compare_annotations"),
    params:
        arguments={
            "runs": CONDITIONS,
            "references": {
                "method": REFERENCE,
                "slices": str(config["annotation_study"]["slices"][-1]),
                "outlines": config["annotation_study"]["outlines"][0],
            },
            "cohort": COHORT,
            "seed": config["seed"],
        },
        code=code_hash("compare_annotations"),
    script:
        "../../scripts/compare_annotations.py"


rule annotation_figure:
    """Draw agreement and accuracy over outlined slices."""
    input:
        scores_file=rules.compare_annotations.output.scores_file,
    output:
        png=report(
            "<annotation_study>/scores.png",
            caption="../../report/due/annotation_study.rst",
            category="Results",
            labels={"result": "Annotation study: agreement and accuracy"},
        ),
        pdf="<annotation_study>/scores.pdf",
    log:
        "<logs>/annotation_figure.log",
    benchmark:
        "<benchmarks>/annotation_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("annotation_figure"),
    params:
        arguments={"cohort": COHORT},
        code=code_hash("annotation_figure"),
    script:
        "../../scripts/annotation_figure.py"
