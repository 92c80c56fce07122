"""What the workflow takes from Snakemake that is no documented interface: all of it is here, each use with its reason.

A test of each function fails on a version of Snakemake where it does not hold; `min_version` in workflow/Snakefile is
the version that is tested.
"""

import sys
from shlex import quote
from threading import Timer
from typing import Any

from snakemake.scheduling.job_scheduler import JobScheduler

from explainct.runtime.forecast import PlannedJob
from explainct.runtime.job_list import JobFiles


def quote_interpreter() -> None:
    """Quote the path of the Python interpreter that Snakemake starts scripts with.

    Snakemake puts the path as it is into a shell command, which fails in a folder whose name has a space or a character
    that the shell reads. Each process that runs a script has to call this, so it stands in the Snakefile.
    """
    if not sys.executable.startswith("'"):
        sys.executable = quote(sys.executable)


def wake_scheduler_once() -> None:
    """Let Snakemake's scheduler have one timer of a length at a time.

    It starts one of a second each time that it looks for jobs and some are left over, and looks again when one ends. So
    each job that ends adds a timer that is replaced for ever: after N jobs it looks N times a second.
    """

    def schedule(scheduler: Any, delay: float) -> None:
        waiting = scheduler.__dict__.setdefault("waiting", set())
        if delay in waiting:
            return
        waiting.add(delay)

        def wake() -> None:
            waiting.discard(delay)
            scheduler._open_jobs.release()

        Timer(delay, wake).start()

    JobScheduler._schedule_reevalutation = schedule


def is_main_process(workflow: Any) -> bool:
    """Return whether this process plans the workflow, and was not started by another one to run a job of it.

    Snakemake reads the Snakefile once more in each job on a cluster and in each job that it runs in a process.
    """
    return workflow.is_main_process


def runs_jobs_here(workflow: Any) -> bool:
    """Return whether the jobs of a run are processes of this machine, rather than jobs of a cluster.

    Snakemake chooses the executor after it has read the Snakefile; a number of jobs in place of cores is there before.
    """
    return workflow.resource_settings.nodes is None


def drop_benchmarks_of_cached(workflow: Any) -> None:
    """Take the benchmark file from each rule whose outputs may come from Snakemake's cache.

    What comes from the cache has no time to record, so Snakemake refuses rules that have both, and no directive takes
    a benchmark file from a rule.
    """
    for rule in workflow.rules:
        if rule.cache.output:
            rule._benchmark = None


def planned_jobs(workflow: Any) -> list[PlannedJob]:
    """Return the jobs that a run has to do, or that a dry run lists, which counts each as finished once it is listed.

    Dry runs call no hook, and hooks are given no jobs.
    """
    return [
        PlannedJob(job.rule.name, job.wildcards_dict, dict(job.params.items()), str(job.benchmark or ""))
        for job in workflow.dag.needrun_jobs(exclude_finished=False)
    ]


def jobs_behind(workflow: Any, *rules: str) -> list[JobFiles]:
    """Return the jobs that those of `rules` depend on at any depth, whether they run now or ran before, sorted.

    Nothing where no job of these rules is asked for. Input functions and params cannot give them: they are read before
    all jobs are known. A job that does not run now may have been one of another rule when it ran.
    """
    dag = workflow.dag
    asked = [job for job in dag.jobs if job.rule.name in rules]
    behind = [job for job in dag.bfs(dag.dependencies, *asked) if job.rule.name not in rules]
    return sorted(
        {_files(job.rule if dag.needrun(job) else _maker(workflow, job), job.wildcards_dict) for job in behind}
    )


def _maker(workflow: Any, job: Any) -> Any:
    """Return the rule that made the outputs of a job, by what Snakemake noted then, or else the job's own."""
    name = workflow.persistence.rule(job.output[0]) if job.output else None
    return next((rule for rule in workflow.rules if rule.name == name), job.rule)


def _files(rule: Any, wildcards: dict[str, str]) -> JobFiles:
    """Return the files of a rule's job with these wildcards."""
    logs = rule.expand_log(wildcards)
    return JobFiles(rule.name, str(rule.expand_benchmark(wildcards) or ""), str(logs[0]) if logs else "")


def settings_files(workflow: Any) -> list[str]:
    """Return the files that settings were read from: those of the command line, and the workflow's own.

    The settings alone do not tell what a file holds twice, and not in which file a mistake is.
    """
    return [str(path) for path in workflow.configfiles]
