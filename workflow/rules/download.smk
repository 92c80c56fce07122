"""Download: the public archives, verified. Ask for a receipt by its name; nothing else does.

OUTPUTS
    results/download/{archive}.csv  what was downloaded and verified: lidc, nih_pancreas or msd_pancreas
    the folder `ingest.archives.{archive}`, or results/archives/{archive} where the settings name none
"""


rule download_archive:
    """Download a public archive; what an earlier run left is verified and kept."""
    output:
        "results/download/{archive}.csv",
    log:
        "results/download/logs/{archive}.log",
    benchmark:
        "results/download/benchmarks/{archive}.tsv"
    wildcard_constraints:
        archive="|".join(DISK_MB),
    retries: 2
    conda:
        "../../envs/explainct.yaml"
    threads: 4
    resources:
        **asks("download_archive"),
        disk_mb=archive_disk_mb,
    params:
        folder=archive_folder,
        code=code_hash("download_archive"),
    message:
        "Downloading {wildcards.archive} to {params.folder}"
    script:
        "../scripts/download_archive.py"
