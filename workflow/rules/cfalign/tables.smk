"""CF-Align: tables and pages of the counterfactual study."""

COUNTERFACTUAL = config["counterfactual"]
ALIGNED = COUNTERFACTUAL["methods"]


rule compare_aligned:
    """Score every method on validation and test patients, with the published numbers beside."""
    input:
        predictions_files=[f"<cfalign>/{name}/predictions.parquet" for name in ALIGNED],
        explanations_files=[
            f"<cfalign>/{name}/explanations.parquet" for name in ALIGNED
        ],
        history_files=[
            path.replace("{compared}", name)
            for name in ALIGNED
            for path in ALIGNED_HISTORIES
        ],
    output:
        scores_file=report(
            "<cfalign>/scores.csv",
            caption="../../report/cfalign/study.rst",
            category="Counterfactuals",
            labels={"result": "Scores (CSV)"},
        ),
        seeds_file="<cfalign>/seeds.csv",
        differences_file=report(
            "<cfalign>/differences.csv",
            caption="../../report/cfalign/study.rst",
            category="Counterfactuals",
            labels={"result": "Differences (CSV)"},
        ),
        explanations_file=report(
            "<cfalign>/explanations.csv",
            caption="../../report/cfalign/study.rst",
            category="Counterfactuals",
            labels={"result": "Maps and counterfactuals (CSV)"},
        ),
        training_file="<cfalign>/training.csv",
        published_file="<cfalign>/published.csv",
        md="<cfalign>/study.md",
        html=report(
            "<cfalign>/study.html",
            caption="../../report/cfalign/study.rst",
            category="Counterfactuals",
            labels={"result": "What the study found"},
        ),
    log:
        "<logs>/compare_aligned.log",
    benchmark:
        "<benchmarks>/compare_aligned.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("compare_aligned"),
    params:
        arguments={
            **pick("counterfactual", "methods", "strengths", "seeds"),
            "cohort": COHORT,
            "seed": config["seed"],
        },
        code=code_hash("compare_aligned"),
    script:
        "../../scripts/compare_aligned.py"
