"""The page that a user reads: what was filled, how well that works on these lesions, and which slices to look at."""

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from explainct.report.html_page import page

NOTE = "Research use. Not for clinical use."
MOST_ROWS = 200


def fill_page(answer: Mapping[str, Any], record: Mapping[str, Any], preview_file: Path) -> str:
    """Return the page as HTML with the picture in it; it needs no network.

    Args:
        answer: what `lesions.json` has: `lesions`, `self_test`, `review` and `notes`.
        record: what made it.
        preview_file: the picture.
    """
    lesions, self_test, review = (pd.DataFrame(answer[name]) for name in ("lesions", "self_test", "review"))
    picture = base64.b64encode(preview_file.read_bytes()).decode()
    doubtful = lesions[lesions["beyond_what_models_saw"] != ""]
    parts = [
        f"<p><strong>{NOTE}</strong></p>",
        "<p>Slices between outlined ones were filled; outlined slices are as they were, and nothing was drawn before "
        "the first or after the last of them. Look at the slices in the order below before you use the result.</p>",
        "<h2>Beyond what the models have seen</h2>",
        *[
            f"<p>{escape(row.lesion)}: {escape(row.beyond_what_models_saw)}. It was filled by {row.filled_by}: the "
            "better of the two on its hidden slices, or signed distances where it has none.</p>"
            for row in doubtful.itertuples()
        ],
        *([] if len(doubtful) else ["<p>Sizes, gaps and pixels of all lesions are within it.</p>"]),
        "<h2>Test on your own slices</h2>",
        _self_test_text(self_test),
        _table(self_test),
        "<h2>Notes</h2>",
        _list(answer["notes"]) if answer["notes"] else "<p>None.</p>",
        "<h2>Lesions</h2>",
        "<p>Numbers with <code>_low</code> and <code>_high</code> have 90 % intervals over draws of the filled slices; "
        "lesions filled by signed distances have none. Bands are those of solid nodules in Lung-RADS 1.1, "
        "<code>uncertain</code> where the interval holds a limit. They are sizes, not advice.</p>",
        _table(lesions),
        "<h2>Slices to look at, the least certain first</h2>",
        _table(review.head(MOST_ROWS)),
        *([f"<p>{len(review) - MOST_ROWS} more are left out here.</p>"] if len(review) > MOST_ROWS else []),
        "<h2>Preview</h2>",
        f'<p><img style="max-width:100%" alt="Filled lesions on the scan" src="data:image/png;base64,{picture}"></p>',
        "<h2>What made it</h2>",
        _list([f"{name}: {value}" for name, value in record.items() if not isinstance(value, (dict, list))]),
    ]
    return page("Filled annotation", "\n".join(parts))


def _self_test_text(self_test: pd.DataFrame) -> str:
    """Say how the test was done; where nothing could be hidden, that there is none."""
    if self_test.empty:
        return (
            "<p>No lesion has an outlined slice between two others, so nothing could be hidden and compared: how well "
            "filling works here is not known.</p>"
        )
    return (
        "<p>Each outlined slice between two others was hidden, filled and compared. The gap around a hidden slice is "
        "as long as its two gaps together, so the gaps that were filled are easier. Signed distances were tuned on "
        "the other hidden slices.</p>"
    )


def _table(table: pd.DataFrame) -> str:
    return table.to_html(index=False, border=0, na_rep="") if len(table) else "<p>None.</p>"


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"
