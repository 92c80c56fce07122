"""Checks: what the papers print against itself, and what a classifier could know without the picture."""


rule probe_confounders:
    """Predict the label from size, mean HU and place of the blocks alone, so that a leak shows."""
    input:
        lesions_file="<results>/annotate/lesions.parquet",
        samples_file="<results>/samples/samples.parquet",
        crops_file="<results>/samples/shards.csv",
    output:
        confounders_file=report(
            "<results>/due/tables/confounders.csv",
            caption="../../report/due/confounders.rst",
            category="Checks",
            labels={"result": "Confounders (CSV)"},
        ),
    log:
        "<logs>/probe_confounders.log",
    benchmark:
        "<benchmarks>/probe_confounders.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("probe_confounders"),
    params:
        arguments={"seed": config["seed"]},
        code=code_hash("probe_confounders"),
    script:
        "../../scripts/probe_confounders.py"


rule audit_published:
    """Recompute what the papers print from their other printed numbers."""
    output:
        csv=report(
            "results/published/audit.csv",
            caption="../../report/audit.rst",
            category="Checks",
            labels={"result": "Audit of the papers' numbers (CSV)"},
        ),
        md="results/published/audit.md",
    log:
        "results/published/logs/audit_published.log",
    benchmark:
        "results/published/benchmarks/audit_published.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("audit_published"),
    params:
        code=code_hash("audit_published"),
    script:
        "../../scripts/audit_published.py"
