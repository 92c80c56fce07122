"""What a study found, for reading: one list of paragraphs and tables as Markdown, and as a page of HTML."""

from collections.abc import Sequence
from html import escape

import pandas as pd

from explainct.report.html_page import page

Part = str | pd.DataFrame
"""A paragraph, a heading (it begins with `## `), a list (its lines begin with `- `), or a table."""


def study_markdown(title: str, parts: Sequence[Part]) -> str:
    r"""Return a study as Markdown.

    >>> study_markdown("Title", ["## What was found", "- Nothing."])
    '# Title\n\n## What was found\n\n- Nothing.\n'
    """
    blocks = [part if isinstance(part, str) else part.to_markdown(index=False, disable_numparse=True) for part in parts]
    return f"# {title}\n\n" + "\n\n".join(blocks) + "\n"


def study_page(title: str, parts: Sequence[Part]) -> str:
    """Return a study as a page of HTML."""
    blocks = []
    for part in parts:
        if isinstance(part, pd.DataFrame):
            blocks.append(part.to_html(index=False, border=0))
        elif part.startswith("## "):
            blocks.append(f"<h2>{escape(part[3:])}</h2>")
        elif part.startswith("- "):
            items = "".join(f"<li>{escape(line[2:])}</li>" for line in part.splitlines())
            blocks.append(f"<ul>{items}</ul>")
        else:
            blocks.append(f"<p>{escape(part)}</p>")
    return page(title, "\n".join(blocks))


def estimates(table: pd.DataFrame, column: str, low: str = "low", high: str = "high", sign: str = "") -> list[str]:
    """Return values with their intervals as texts, such as `0.500 [0.400, 0.600]`; a value that is not there is `-`.

    Args:
        table: a row per value.
        column: the column of the values.
        low: the column of the lower ends.
        high: the column of the upper ends.
        sign: `+` for a sign before positive numbers too.
    """
    form = f"{{:{sign}.3f}} [{{:{sign}.3f}}, {{:{sign}.3f}}]"
    rows = table[[column, low, high]].itertuples(index=False)
    return ["-" if pd.isna(row[0]) else form.format(*row) for row in rows]
