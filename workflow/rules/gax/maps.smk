"""AX and GAX: what heatmaps do to the classifier that they come from."""


rule score_heatmaps:
    """Score the heatmaps of a classifier by what they do to its logits, with controls."""
    input:
        **SAMPLES,
        model_file="<classifiers>/{method}/n{n}_lambda{lam}/seed{seed}/model.pt",
    output:
        scores_file="<gax>/{method}/n{n}_lambda{lam}/seed{seed}/scores.parquet",
    log:
        "<logs>/score_heatmaps/{method}_n{n}_lambda{lam}_seed{seed}.log",
    benchmark:
        "<benchmarks>/score_heatmaps/{method}_n{n}_lambda{lam}_seed{seed}.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("score_heatmaps"),
    params:
        arguments=heatmap_arguments,
        code=code_hash("score_heatmaps", NETWORK),
    script:
        "../../scripts/score_heatmaps.py"


rule generate_heatmaps:
    """Generate GAX maps of a classifier, and say where they lie."""
    input:
        **SAMPLES,
        model_file="<classifiers>/{method}/n{n}_lambda{lam}/seed{seed}/model.pt",
        scores_file=rules.score_heatmaps.output.scores_file,
    output:
        heatmaps_file="<gax>/{method}/n{n}_lambda{lam}/seed{seed}/heatmaps.parquet",
    log:
        "<logs>/generate_heatmaps/{method}_n{n}_lambda{lam}_seed{seed}.log",
    benchmark:
        "<benchmarks>/generate_heatmaps/{method}_n{n}_lambda{lam}_seed{seed}.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("generate_heatmaps"),
    params:
        arguments=generation_arguments,
        code=code_hash("generate_heatmaps", NETWORK),
    script:
        "../../scripts/generate_heatmaps.py"


rule compare_forms:
    """Run forms of GAX on a few samples of the first classifier."""
    input:
        **SAMPLES,
        model_file=f"<classifiers>/{run_of(FIRST_STUDIED)}/seed{SEEDS[0]}/model.pt",
        scores_file=f"<gax>/{run_of(FIRST_STUDIED)}/seed{SEEDS[0]}/scores.parquet",
    output:
        forms_file="<gax>/forms.parquet",
        curves_file="<gax>/curves.parquet",
        maps_file="<gax>/maps.h5",
    log:
        "<logs>/compare_forms.log",
    benchmark:
        "<benchmarks>/compare_forms.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("compare_forms"),
    params:
        arguments={
            **generation_of(FIRST_STUDIED),
            **pick("confidence", "forms", "compared", "shown", "keep"),
        },
        code=code_hash("compare_forms", NETWORK),
    script:
        "../../scripts/compare_forms.py"
