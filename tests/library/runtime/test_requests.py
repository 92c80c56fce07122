"""The table of what jobs ask for."""

import pytest

from explainct.errors import UserError
from explainct.runtime.requests import Request, growing, read_requests

HEAD = "rule,gpu,mem_mb,runtime,disk_mb\n"


def written(folder, text):
    path = folder / "requests.csv"
    path.write_text(text)
    return path


def test_rows_are_read_by_rule(tmp_path):
    table = written(tmp_path, HEAD + "train,1,2000,60,300\ntable,0,500,10,\n")
    assert read_requests(table) == {"train": Request(1, 2000, 60, 300), "table": Request(0, 500, 10, 0)}


def test_requests_grow_with_each_attempt():
    assert [growing(300)(None, attempt) for attempt in (1, 2, 3)] == [300, 600, 900]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rule,gpu\na,1\n", "has no column mem_mb, runtime, disk_mb"),
        (HEAD + "train,1,2 GB,60,0\n", "has '2 GB' in column mem_mb of train. Write a whole number"),
        (HEAD + "train,1\n", "has '' in column mem_mb of train"),
    ],
)
def test_a_bad_table_is_refused_in_a_sentence(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_requests(written(tmp_path, text))


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match=r"names .*none.csv, which does not exist"):
        read_requests(tmp_path / "none.csv")
