"""Browser: some test lesions slice by slice, in one HTML file that needs no network.

REQUIRED INPUTS
    results/{dataset}/interpolate/model.pt, uncertainty/model.pt
    results/{dataset}/runs/{method}/n{n}_lambda{lam}/predictions.parquet, explanations.h5
OUTPUTS
    results/{dataset}/browser.h5              filled annotations of the lesions that are shown
    results/figures/{dataset}_browser.html    image, readers, interpolation, variance, weights and maps
"""


rule fill_browsed:
    """Fill the gaps of the test lesions that the browser shows."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.split_patients.output.samples,
        interpolator=rules.train_interpolator.output[0],
        predictor=rules.train_uncertainty.output[0],
    output:
        "results/{dataset}/browser.h5",
    log:
        "results/{dataset}/logs/fill_browsed.log",
    benchmark:
        "results/{dataset}/benchmarks/fill_browsed.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: THREADS
    resources:
        **asks("fill_browsed"),
    params:
        rows=config["evaluate"]["browse"],
        settings=config["uncertainty"],
        interpolate=config["interpolate"],
        samples=config["samples"],
        seed=config["seed"],
        device=config["device"],
        code=code_hash("fill_browsed"),
    message:
        "Filling gaps of test lesions for the browser"
    script:
        "../scripts/fill_browsed.py"


rule slice_browser:
    """Write the slice browser."""
    input:
        lesions=rules.extract_annotations.output.lesions,
        slices=rules.extract_annotations.output.slices,
        samples=rules.split_patients.output.samples,
        crops=rules.list_crops.output[0],
        filled=rules.fill_browsed.output[0],
        predictions=of_methods("predictions.parquet"),
        explanations=of_methods("explanations.h5"),
    output:
        report(
            "results/figures/{dataset}_browser.html",
            caption="../report/browser.rst",
            category="Results",
            labels={"result": "Slice browser"},
        ),
    log:
        "results/{dataset}/logs/slice_browser.log",
    benchmark:
        "results/{dataset}/benchmarks/slice_browser.tsv"
    conda:
        "../../envs/explainct.yaml"
    threads: 1
    resources:
        **asks("slice_browser"),
    params:
        methods=METHODS,
        samples=config["samples"],
        cohort=COHORT,
        code=code_hash("slice_browser"),
    message:
        "Writing the slice browser"
    script:
        "../scripts/slice_browser.py"
