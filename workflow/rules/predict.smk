"""A user's own scans: the gaps between the outlined slices of their lesions are filled."""

FILL = config["fill"]
# Without a scan the rules can still be read and checked, and the job says what to give.
FILL_CASES = fill_cases()
COHORT_TABLE = f"results/predict/{FILL['name']}/cohort.csv"


rule fill_scan:
    """Fill the gaps between outlined slices, test that on the outlined slices, and say how sure the result is."""
    input:
        model_file=shipped_model,
    output:
        filled_folder=directory("results/predict/{case}/filled"),
        volumes_folder=directory("results/predict/{case}/volumes"),
        lesions_file="results/predict/{case}/lesions.csv",
        json_file="results/predict/{case}/lesions.json",
        preview_file="results/predict/{case}/preview.png",
        report_file="results/predict/{case}/report.html",
        record_file="results/predict/{case}/run.json",
    log:
        "results/predict/{case}/logs/fill_scan.log",
    benchmark:
        "results/predict/{case}/benchmarks/fill_scan.tsv"
    wildcard_constraints:
        case="|".join(map(re.escape, FILL_CASES)),
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("fill_scan"),
    params:
        arguments=fill_arguments,
        state=fill_state,
        code=code_hash("fill_scan"),
    script:
        "../scripts/fill_scan.py"


rule collect_filled:
    """Collect the filled lesions of a sample sheet in one table."""
    input:
        lesions_files=expand("results/predict/{case}/lesions.csv", case=FILL_CASES),
    output:
        table_file=COHORT_TABLE,
    log:
        f"results/predict/{FILL['name']}/logs/collect_filled.log",
    benchmark:
        f"results/predict/{FILL['name']}/benchmarks/collect_filled.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("collect_filled"),
    params:
        arguments={"cells": [case["cells"] for case in FILL_CASES.values()]},
        code=code_hash("collect_filled"),
    script:
        "../scripts/collect_filled.py"
