"""Run: what made the results, and what it took."""


rule run_record:
    """Write down what made the tables and figures: all settings, the code, the packages, and the devices."""
    input:
        every_result,
    output:
        record_file=report(
            "<results>/run.yaml",
            caption="../report/run_record.rst",
            category="Run",
            labels={"result": "Settings, code, packages, devices (YAML)"},
        ),
        html=report(
            "<results>/run.html",
            caption="../report/run_record.rst",
            category="Run",
            labels={"result": "Settings, code, packages, devices"},
        ),
    log:
        "<logs>/run_record.log",
    benchmark:
        "<benchmarks>/run_record.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("run_record"),
    params:
        arguments={
            "settings": dict(sorted(config.items())),
            "code_hashes": CODE,
            "job_list_file": JOB_LIST,
        },
        code=code_hash("run_record"),
    script:
        "../scripts/run_record.py"


rule stage_times:
    """Add up time and memory of each rule, from the records that Snakemake keeps."""
    input:
        every_result,
    output:
        csv="<results>/stages.csv",
        png=report(
            "<results>/stages.png",
            caption="../report/stages.rst",
            category="Run",
            labels={"result": "Time and memory of each rule"},
        ),
    log:
        "<logs>/stage_times.log",
    benchmark:
        "<benchmarks>/stage_times.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("stage_times"),
    params:
        arguments={
            "job_list_file": JOB_LIST,
            "dataset": DATASET,
        },
        code=code_hash("stage_times"),
    script:
        "../scripts/stage_times.py"
