"""What a run is going to take, said before it starts: from records of equal jobs, else from the table of requests."""

import json
from ast import literal_eval
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from explainct.runtime.requests import Request

SECONDS_PER_HOUR = 3600
MINUTES_PER_HOUR = 60
ALIKE = {"lam", "seed", "shard"}
"""Wildcards that a job's time does not depend on; it does on the method and on the number of samples."""


class PlannedJob(NamedTuple):
    """A job that is going to run: its rule, wildcards, params, and its benchmark's path, empty where it has none."""

    rule: str
    wildcards: Mapping[str, Any]
    params: Mapping[str, Any]
    benchmark: str = ""

    def key(self) -> str:
        """Return what decides how long a job takes, as text: its rule and settings, but not its code."""
        wildcards = {name: str(value) for name, value in self.wildcards.items() if name not in ALIKE}
        settings = {name: value for name, value in self.params.items() if name != "code"}
        return json.dumps([self.rule, wildcards, settings], sort_keys=True, default=str)

    def records(self) -> str:
        """Return the folder `benchmarks` that the job's benchmark lies in: that of its dataset; or nothing."""
        folder, named, _ = self.benchmark.rpartition("benchmarks/")
        return f"{folder}benchmarks" if named else ""


def seconds_by_job(folders: Iterable[str | Path]) -> dict[str, float]:
    """Return the median time in seconds of the jobs that ran before, by `PlannedJob.key`.

    Args:
        folders: folders with records in Snakemake's extended format (option `benchmark-extended`), which hold a job's
            rule, wildcards and params as Python values; records without them are left out.
    """
    seconds: dict[str, list[float]] = {}
    for path in (path for folder in folders for path in Path(folder).rglob("*.tsv")):
        # Snakemake writes values as they are, without quotes.
        head, *rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()] or [[]]
        for row in rows:
            record = dict(zip(head, row, strict=False))
            if job := _job(record.get("rule_name"), record.get("wildcards"), record.get("params")):
                seconds.setdefault(job.key(), []).append(float(record["s"]))
    return {key: median(values) for key, values in seconds.items()}


@cache
def _job(rule: str | None, wildcards: str | None, params: str | None) -> PlannedJob | None:
    """Return the job of a record; nothing where the record was cut, is not extended, or has params of another kind."""
    try:
        return PlannedJob(str(rule), literal_eval(str(wildcards)), dict(literal_eval(str(params))))
    except (SyntaxError, TypeError, ValueError):
        return None


def forecast(jobs: Iterable[PlannedJob], requests: Mapping[str, Request]) -> str:
    """Return a sentence on the time and disk that jobs will take, and what it is derived from.

    Args:
        jobs: the jobs; those of rules without a row in `requests` only collect files and take nothing.
        requests: the table of requests; its run times and disk are limits.
    """
    jobs = [job for job in jobs if job.rule in requests]
    folders = sorted({job.records() for job in jobs} - {""})
    seconds = seconds_by_job(folders)
    known: Counter[str] = Counter()
    limits: Counter[str] = Counter()
    for job in jobs:
        if (time := seconds.get(job.key())) is None:
            limits[job.rule] += requests[job.rule].runtime / MINUTES_PER_HOUR
        else:
            known[job.rule] += time / SECONDS_PER_HOUR
    parts = [f"{len(jobs)} jobs"]
    if known:
        parts.append(f"{_hours(known, requests)} by the records of equal jobs in {', '.join(folders)}")
    if limits:
        names = ", ".join(limits) if len(limits) <= 5 else f"{len(limits)} rules"
        parts.append(f"at most {_hours(limits, requests)} for {names} without such a record")
    disk = sum(requests[job.rule].disk_mb for job in jobs)
    parts.append(f"at most {disk / 1000:.1f} GB of results")
    return f"Expected: {'; '.join(parts)}."


def _hours(hours: Mapping[str, float], requests: Mapping[str, Request]) -> str:
    """Return hours by rule as those of jobs with a GPU and those of others."""
    gpu = sum(value for rule, value in hours.items() if requests[rule].gpu)
    return f"{_duration(gpu)} of jobs that can use a GPU and {_duration(sum(hours.values()) - gpu)} of others"


def _duration(hours: float) -> str:
    """Return hours as people write them: minutes below one hour, no decimals from ten on."""
    if hours < 1:
        return f"{hours * MINUTES_PER_HOUR:.0f} min"
    return f"{hours:.1f} h" if hours < 10 else f"{hours:,.0f} h"
