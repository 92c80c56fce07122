"""The table of what jobs ask for."""

import pytest

from explainct.errors import UserError
from explainct.runtime.requests import Request, growing, read_requests

HEAD = "rule,gpu,mem_mb,runtime,disk_mb\n"
ROWS = "train,1,2000,60,300\ntable,0,500,10,\n"


def written(folder, text, encoding="utf-8"):
    path = folder / "requests.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def project(tmp_path):
    """The project's table."""
    path = tmp_path / "project.csv"
    path.write_text(HEAD + ROWS)
    return path


def test_rows_are_read_by_rule(project):
    assert read_requests(project, project) == {"train": Request(1, 2000, 60, 300), "table": Request(0, 500, 10, 0)}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (HEAD + "train,1,8000,60,300\n", "utf-8-sig"),
        ("rule;gpu;mem_mb;runtime;disk_mb;Prüfung\r\ntrain;;8000;;;für Köln\r\n;;;;;\r\n", "latin-1"),
        ("rule\tgpu\tmem_mb\truntime\tdisk_mb\r\ntrain\t1\t8000\t60\t300\r\n", "utf-16"),
    ],
)
def test_a_spreadsheets_table_of_changed_rows_lies_over_the_projects(tmp_path, project, text, encoding):
    read = read_requests(written(tmp_path, text, encoding), project)
    assert read == {"train": Request(1, 8000, 60, 300), "table": Request(0, 500, 10, 0)}


def test_a_rule_that_the_projects_own_table_lacks_is_named(project):
    with pytest.raises(UserError, match=r"no row for figure_9.*`cluster\.resources`"):
        read_requests(project, project)["figure_9"]


def test_requests_grow_with_each_attempt():
    assert [growing(300)(None, attempt) for attempt in (1, 2, 3)] == [300, 600, 900]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rule,gpu\na,1\n", "has no column mem_mb, runtime, disk_mb"),
        (HEAD + "train,1,2 GB,60,0\n", "has '2 GB' in column mem_mb of train. Write a whole number"),
        (HEAD + "train,1,8.5,60,\n", "has '8.5' in column mem_mb of train. Write a whole number"),
        (HEAD + "trian,1,8000,60,\n", "has a row for 'trian', which is no rule. Did you mean 'train'?"),
        (HEAD + "zzz,1,8000,60,\n", "has a row for 'zzz', which is no rule. .*project.csv lists all rules"),
        (HEAD + "train,1,8000,60,\ntrain,1,9000,60,\n", "has two rows for 'train'"),
        ("", "has no column rule"),
    ],
)
def test_a_bad_table_is_refused_in_a_sentence(tmp_path, project, text, message):
    with pytest.raises(UserError, match=message.replace("?", "\\?")):
        read_requests(written(tmp_path, text), project)


def test_the_projects_own_table_needs_all_cells(tmp_path):
    table = written(tmp_path, HEAD + "train,1\n")
    with pytest.raises(UserError, match="has '' in column mem_mb of train"):
        read_requests(table, table)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(UserError, match=r"names .*none.csv, which does not exist"):
        read_requests(tmp_path / "none.csv")
