"""Checks: what ran, what the papers print against itself, and what a classifier could know without the picture.

REQUIRED INPUTS
    every other result, for the record of the run alone
    results/{dataset}/samples/samples.parquet, {shard}.h5
OUTPUTS
    results/tables/run.yaml, .html            all settings, the code of each stage, the packages, and the devices
    results/tables/audit.csv, .md             printed numbers of the five papers, next to what follows from them
    results/tables/{dataset}_confounders.csv  labels predicted from size, mean HU and place of the blocks alone
"""


rule run_record:
    """Write down what made the tables and figures: all settings, the code, the packages, and the devices."""
    input:
        every_result,
    output:
        yaml=report(
            "results/tables/run.yaml",
            caption="../report/run_record.rst",
            category="Run",
            labels={"result": "Settings, code, packages, devices (YAML)"},
        ),
        html=report(
            "results/tables/run.html",
            caption="../report/run_record.rst",
            category="Run",
            labels={"result": "Settings, code, packages, devices"},
        ),
    log:
        f"results/{DATASET}/logs/run_record.log",
    benchmark:
        f"results/{DATASET}/benchmarks/run_record.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("run_record"),
    params:
        state=run_state(),
        logs=f"results/{DATASET}/logs",
        code=code_hash("run_record"),
    message:
        "Writing down what ran"
    script:
        "../scripts/run_record.py"


rule audit_published:
    """Recompute what the papers print from their other printed numbers."""
    output:
        csv=report(
            "results/tables/audit.csv",
            caption="../report/audit.rst",
            category="Checks",
            labels={"result": "Audit of the papers' numbers (CSV)"},
        ),
        md="results/tables/audit.md",
    log:
        "results/tables/audit.log",
    benchmark:
        "results/benchmarks/audit_published.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("audit_published"),
    params:
        code=code_hash("audit_published"),
    message:
        "Checking the printed numbers of the papers against each other"
    script:
        "../scripts/audit_published.py"


rule probe_confounders:
    """Predict the label from size, mean HU and place of the blocks alone, so that a leak shows."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.split_patients.output.samples,
        crops=rules.list_crops.output[0],
    output:
        report(
            "results/tables/{dataset}_confounders.csv",
            caption="../report/confounders.rst",
            category="Checks",
            labels={"result": "Confounders (CSV)"},
        ),
    log:
        "results/{dataset}/logs/probe_confounders.log",
    benchmark:
        "results/{dataset}/benchmarks/probe_confounders.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("probe_confounders"),
    params:
        samples=config["samples"],
        seed=config["seed"],
        code=code_hash("probe_confounders"),
    message:
        "Looking for what gives the label away"
    script:
        "../scripts/probe_confounders.py"
