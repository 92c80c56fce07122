"""A user's own scan: the gaps between the outlined slices of its lesions are filled."""

# Without a scan the rule can still be read and checked; asking for it says what to set.
FILL = config["fill"]
FILLED = f"results/predict/{FILL['name']}"


rule fill_scan:
    """Fill the gaps between outlined slices, test that on the outlined slices, and say how sure the result is."""
    input:
        model_file=shipped_model,
    output:
        filled_folder=directory(f"{FILLED}/filled"),
        volumes_folder=directory(f"{FILLED}/volumes"),
        lesions_file=f"{FILLED}/lesions.csv",
        json_file=f"{FILLED}/lesions.json",
        preview_file=f"{FILLED}/preview.png",
        report_file=f"{FILLED}/report.html",
        record_file=f"{FILLED}/run.json",
    log:
        f"{FILLED}/logs/fill_scan.log",
    benchmark:
        f"{FILLED}/benchmarks/fill_scan.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("fill_scan"),
    params:
        arguments={
            **pick("fill", "scan", "annotation", "roi", "ignore_label", "slices"),
            **pick("fill", "snap", "model", "identity"),
            "seed": config["seed"],
            "device": config["device"],
        },
        state=fill_state,
        code=code_hash("fill_scan"),
    script:
        "../scripts/fill_scan.py"
