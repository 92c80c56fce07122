"""What a run is going to take, said before it starts: from records of earlier runs, else from the table of requests."""

import csv
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from explainct.runtime.requests import Request

SECONDS_PER_HOUR = 3600
MINUTES_PER_HOUR = 60


def seconds_by_rule(results: str | Path) -> dict[str, float]:
    """Return the median time in seconds of the jobs of each rule that ran before.

    Args:
        results: the folder with the records `{dataset}/benchmarks/{rule}.tsv` and `{dataset}/benchmarks/{rule}/*.tsv`.
    """
    seconds: dict[str, list[float]] = {}
    for folder in Path(results).glob("*/benchmarks"):
        for path in folder.rglob("*.tsv"):
            rule = path.relative_to(folder).with_suffix("").parts[0]
            with path.open(newline="", encoding="utf-8") as file:
                records = [float(row["s"]) for row in csv.DictReader(file, delimiter="\t")]
            seconds.setdefault(rule, []).extend(records)
    return {rule: median(values) for rule, values in seconds.items() if values}


def expected(jobs: Mapping[str, int], requests: Mapping[str, Request], seconds: Mapping[str, float]) -> str:
    """Return a sentence on the time and disk that jobs will take.

    Args:
        jobs: number of jobs by rule; rules without a row in `requests` only collect files and take nothing.
        requests: the table of requests; its run times and disk are limits.
        seconds: time of a job in earlier runs, by rule.
    """
    jobs = {rule: count for rule, count in jobs.items() if rule in requests}
    known = {rule: count * seconds[rule] / SECONDS_PER_HOUR for rule, count in jobs.items() if rule in seconds}
    limits = {
        rule: count * requests[rule].runtime / MINUTES_PER_HOUR for rule, count in jobs.items() if rule not in seconds
    }
    disk = sum(count * requests[rule].disk_mb for rule, count in jobs.items())
    parts = [f"{sum(jobs.values())} jobs"]
    if known:
        parts.append(f"{_hours(known, requests)} by the records of earlier runs")
    if limits:
        names = ", ".join(limits) if len(limits) <= 5 else f"{len(limits)} rules"
        parts.append(f"at most {_hours(limits, requests)} for {names} without a record")
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
