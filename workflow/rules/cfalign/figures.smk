"""CF-Align: the paper's figures 3, 4, 5 and 8, and what the reversed cue does."""

# Networks of the least cue and the first seed are drawn, of CF-Align, ours, where it is compared.
DRAWN = "cfalign" if "cfalign" in ALIGNED else ALIGNED[0]
LEAST = min(
    range(len(COUNTERFACTUAL["strengths"])), key=COUNTERFACTUAL["strengths"].__getitem__
)
FIRST_MODEL = ALIGNED_MODELS[LEAST * len(COUNTERFACTUAL["seeds"])]
REPORTS = {
    kind: [
        f"<cfalign>/reports/nodule{number + 1}.{kind}"
        for number in range(COUNTERFACTUAL["reports"])
    ]
    for kind in ("json", "txt", "pdf")
}


rule precision_figure:
    """Draw saliency precision and accuracy of every method, as Figure 3 of CF-Align."""
    input:
        scores_file=rules.compare_aligned.output.scores_file,
        explanations_file=rules.compare_aligned.output.explanations_file,
    output:
        png=report(
            "<cfalign>/precision.png",
            caption="../../report/cfalign/precision.rst",
            category="Counterfactuals",
            labels={"result": "Figure 3: precision and accuracy"},
        ),
        pdf="<cfalign>/precision.pdf",
    log:
        "<logs>/precision_figure.log",
    benchmark:
        "<benchmarks>/precision_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("precision_figure"),
    params:
        arguments={**pick("counterfactual", "methods"), "cohort": COHORT},
        code=code_hash("precision_figure"),
    script:
        "../../scripts/precision_figure.py"


rule cue_figure:
    """Draw the AUC of every method with the planted cue aligned, absent and reversed."""
    input:
        scores_file=rules.compare_aligned.output.scores_file,
    output:
        png=report(
            "<cfalign>/cue.png",
            caption="../../report/cfalign/cue.rst",
            category="Counterfactuals",
            labels={"result": "What the planted cue does"},
        ),
        pdf="<cfalign>/cue.pdf",
    log:
        "<logs>/cue_figure.log",
    benchmark:
        "<benchmarks>/cue_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("cue_figure"),
    params:
        arguments={**pick("counterfactual", "methods"), "cohort": COHORT},
        code=code_hash("cue_figure"),
    script:
        "../../scripts/cue_figure.py"


rule changes_figure:
    """Draw counterfactual images and their changes, as Figure 4 of CF-Align."""
    input:
        **VIEWED,
        model_file=FIRST_MODEL.replace("{compared}", DRAWN),
    output:
        png=report(
            "<cfalign>/changes.png",
            caption="../../report/cfalign/changes.rst",
            category="Counterfactuals",
            labels={"result": "Figure 4: counterfactual images"},
        ),
        pdf="<cfalign>/changes.pdf",
    log:
        "<logs>/changes_figure.log",
    benchmark:
        "<benchmarks>/changes_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("changes_figure"),
    params:
        arguments={
            "method": DRAWN,
            "settings": {
                **pick("counterfactual", "cell"),
                **COUNTERFACTUAL["evaluation"],
            },
            **pick("counterfactual", "window"),
            "cohort": COHORT,
            "device": config["device"],
        },
        code=code_hash("changes_figure"),
    script:
        "../../scripts/changes_figure.py"


rule saliency_figure:
    """Draw Grad-CAM of test views for every method, as Figures 5 and 8 of CF-Align."""
    input:
        **VIEWED,
        model_files=[FIRST_MODEL.replace("{compared}", name) for name in ALIGNED],
    output:
        png=report(
            "<cfalign>/saliency.png",
            caption="../../report/cfalign/saliency.rst",
            category="Counterfactuals",
            labels={"result": "Figures 5 and 8: saliency maps"},
        ),
        pdf="<cfalign>/saliency.pdf",
    log:
        "<logs>/saliency_figure.log",
    benchmark:
        "<benchmarks>/saliency_figure.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("saliency_figure"),
    params:
        arguments={
            **pick("counterfactual", "methods", "window"),
            "cohort": COHORT,
            "device": config["device"],
        },
        code=code_hash("saliency_figure"),
    script:
        "../../scripts/saliency_figure.py"
