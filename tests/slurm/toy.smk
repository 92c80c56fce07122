# Jobs that last seconds and show what SLURM does to a job.
wildcard_constraints:
    where="n[12]",
    number="[01]",


# Two jobs at a time on one node: each waits for the other before it writes which GPU it was given.
rule paired:
    output:
        "gpu{number}.txt",
    resources:
        gpu=1,
        slurm_partition="gpu",
        slurm_extra="--nodelist=n2",
    shell:
        """
        touch here{wildcards.number}
        timeout 60 sh -c 'until [ -e here0 ] && [ -e here1 ]; do sleep 0.1; done'
        echo "$SLURMD_NODENAME $SLURM_JOB_PARTITION ${{CUDA_VISIBLE_DEVICES-unset}}" > {output}
        """


rule plain:
    output:
        "plain.txt",
    shell:
        'echo "$SLURM_JOB_PARTITION ${{CUDA_VISIBLE_DEVICES-unset}}" > {output}'


# The first attempt says who it is and never ends; the second one ends at once.
rule endless:
    output:
        "{where}.txt",
    resources:
        runtime=lambda wildcards, attempt: [1, 5][attempt - 1],
        slurm_extra=lambda wildcards, attempt: f"--nodelist={wildcards.where}" if attempt == 1 else "",
    shell:
        """
        if [ -e started ]; then touch {output}; exit; fi
        echo $$ > started.part
        mv started.part started
        sleep 600
        """


# Both attempts take 700 MB, the first one more than it asked for.
rule hungry:
    output:
        "hungry.txt",
    resources:
        mem_mb=lambda wildcards, attempt: [500, 1500][attempt - 1],
    shell:
        """
        python -c 'import time; held = b"x" * 700_000_000; time.sleep(5)'
        touch {output}
        """
