"""Sample sheets: every fault is named with row, column, value and what was expected, all of them at once."""

import json

import pytest

from explainct.data.ingest.sample_sheet import SCHEMA, read_sheet
from explainct.errors import UserError

HEAD = "patient,scan,image,annotation,lesion,reader,label,split,annotated_slices,site"
GOOD = "P1,CT1,ct,a.dcm,GTV,R1,1,train,,A"


@pytest.fixture
def sheet(tmp_path):
    """Return a function that writes a sheet beside a scan and an annotation."""
    (tmp_path / "ct").mkdir()
    (tmp_path / "a.dcm").write_text("")

    def write(*rows, head=HEAD, encoding="utf-8"):
        path = tmp_path / "samples.csv"
        path.write_text("\n".join([head, *rows]) + "\n", encoding=encoding)
        return path

    return write


def refused(path, *words):
    with pytest.raises(UserError) as caught:
        read_sheet(path)
    for word in words:
        assert word in str(caught.value), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_has_its_paths_beside_the_sheet_and_keeps_further_columns(sheet, tmp_path):
    first, second = read_sheet(sheet(GOOD, 'P2,CT1,ct,a.dcm,^GTV,,,NA,"3, 6;9",B'))
    assert first.name == "P1_CT1_R1_GTV"
    assert first.image == tmp_path / "ct"
    assert first.cells["site"] == "A"
    assert second.name == "P2_CT1_GTV"
    assert second.slices == (3, 6, 9)
    assert second.cells["split"] == ""


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
def test_tabs_commas_and_semicolons_may_part_the_columns(sheet, separator):
    (sample,) = read_sheet(sheet(GOOD.replace(",", separator), "", head=HEAD.replace(",", separator)))
    assert sample.lesion == "GTV"


def test_a_byte_order_mark_of_a_spreadsheet_is_passed_over(sheet):
    assert len(read_sheet(sheet(GOOD, encoding="utf-8-sig"))) == 1


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (",CT1,ct,a.dcm,,,,,,", ["Row 3, column patient: ''", "never a name of a person"]),
        ("DOE^JOHN,CT1,ct,a.dcm,,,,,,", ["Row 3, column patient: 'DOE^JOHN'"]),
        ("P2,../x,ct,a.dcm,,,,,,", ["Row 3, column scan: '../x'", "an id of the scan"]),
        ("P2,CT1,,a.dcm,,,,,,", ["Row 3, column image: ''", "relative to the sheet"]),
        ("P2,CT1,other,a.dcm,,,,,,", ["Row 3, column image: 'other'", "a file or folder in"]),
        ("P2,CT1,ct,b.dcm,,,,,,", ["Row 3, column annotation: 'b.dcm'"]),
        ("P2,CT1,ct,a.dcm,GTV[,,,,,", ["Row 3, column lesion: 'GTV['", "regular expression"]),
        ("P2,CT1,ct,a.dcm,,R 1,,,,", ["Row 3, column reader: 'R 1'"]),
        ("P2,CT1,ct,a.dcm,,,,training,,", ["Row 3, column split: 'training'", "train, validation, test"]),
        ("P2,CT1,ct,a.dcm,,,,,3-9,", ["Row 3, column annotated_slices: '3-9'", "counted from 1"]),
        ("P2,CT1,ct,a.dcm,,,,,0,", ["Row 3, column annotated_slices: '0'"]),
        ("P1,CT1,ct,a.dcm,GTV,r1,,train,,", ["Rows 2 and 3 are both P1_CT1_r1_GTV"]),
        ("P1,CT2,ct,a.dcm,,,,test,,", ["Row 3, column split: 'test'", "'train' as in row 2", "P1"]),
        ("P2,CT1,ct,a.dcm,,,,,,A,more", ["row 3, has more cells"]),
    ],
)
def test_a_broken_row_is_named(sheet, row, words):
    refused(sheet(GOOD, row), "samples.csv", *words)


def test_all_faults_are_named_at_once(sheet):
    refused(sheet(GOOD, "P 2,CT1,no,a.dcm,,,,x,,"), "column patient", "column image: 'no'", "column split: 'x'")


@pytest.mark.parametrize(
    ("head", "rows", "words"),
    [
        ("patient,scan,image", ["P1,CT1,ct"], ["lacks annotation"]),
        (HEAD, [], ["holds no row"]),
        (f"{HEAD},site", [f"{GOOD},B"], ["two columns 'site'"]),
    ],
)
def test_a_broken_head_is_named(sheet, head, rows, words):
    refused(sheet(*rows, head=head), *words)


def test_a_sheet_that_is_missing_or_no_text_is_named(sheet, tmp_path):
    refused(tmp_path / "nothing.tsv", "nothing.tsv does not exist")
    refused(sheet(GOOD.replace("GTV", "Läsion"), encoding="latin-1"), "no UTF-8")


def test_the_schema_describes_every_column():
    columns = json.loads(SCHEMA.read_text())["properties"]
    assert list(columns) == HEAD.split(",")[:-1]
    assert all(column["description"] for column in columns.values())
