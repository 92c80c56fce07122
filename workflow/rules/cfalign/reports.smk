"""CF-Align: structured reports of test nodules."""


rule nodule_reports:
    """Write reports of test nodules as JSON, text and a page with pictures."""
    input:
        **VIEWED,
        model_file=FIRST_MODEL.replace("{compared}", DRAWN),
    output:
        json_files=REPORTS["json"],
        text_files=REPORTS["txt"],
        pdf_files=report(
            REPORTS["pdf"],
            caption="../../report/cfalign/reports.rst",
            category="Counterfactuals",
            labels={"result": "Reports of nodules"},
        ),
    log:
        "<logs>/nodule_reports.log",
    benchmark:
        "<benchmarks>/nodule_reports.tsv"
    conda:
        "../../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("nodule_reports"),
    params:
        arguments={
            "method": DRAWN,
            "command": COUNTERFACTUAL["report_command"],
            "settings": {
                **pick("counterfactual", "cell"),
                **COUNTERFACTUAL["evaluation"],
            },
            **pick("counterfactual", "window"),
            "cohort": COHORT,
            "device": config["device"],
        },
        code=code_hash("nodule_reports"),
    script:
        "../../scripts/nodule_reports.py"
