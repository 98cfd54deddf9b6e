import csv
import io

import pytest

from tfglue.errors import UserError
from tfglue.tasks.tables import Table, parse_number


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path, *columns, **options):
    return list(Table(path, **options).rows(columns))


def test_tsv_has_no_quoting_and_ends_lines_at_line_feeds_alone(tmp_path):
    text = 'a\tb\r\n"open\tx\r\nline\u2028sep\x85\x0b\x1c\ty\nlast\t"z"'
    path = write(tmp_path / "t.tsv", text)
    assert read(path, "b", "a") == [
        (2, ("x", '"open')),
        (3, ("y", "line\u2028sep\x85\x0b\x1c")),
        (4, ('"z"', "last")),
    ]


@pytest.mark.parametrize("suffix", [".tsv", ".txt", ".csv", ".TSV"])
def test_byte_order_mark_and_blank_lines_at_the_end_are_tolerated(tmp_path, suffix):
    path = write(tmp_path / f"t{suffix}", b"\xef\xbb\xbftext\nhello\n\r\n\n")
    assert read(path, "text") == [(2, ("hello",))]


def test_wrong_column_counts_are_told_with_file_and_line(tmp_path):
    path = write(tmp_path / "t.tsv", "a\tb\tc\n1\t2\t3\n1\t2\n")
    with pytest.raises(UserError, match=r"t\.tsv:3: expected 3 columns, found 2; tabs separate"):
        read(path, "a")


def test_an_empty_line_between_rows_is_a_row_of_wrong_width(tmp_path):
    path = write(tmp_path / "t.tsv", "a\tb\n1\t2\n\n3\t4\n")
    with pytest.raises(UserError, match=r"t\.tsv:3: expected 2 columns, found 1"):
        read(path, "a")


def test_broken_rows_are_counted_where_the_declaration_says_so(tmp_path):
    table = Table(write(tmp_path / "t.tsv", "a\tb\n1\n2\t3\n4\t5\t6\n"), skip_broken_rows=True)
    for _ in range(2):
        assert list(table.rows(["b"])) == [(3, ("3",))]
        assert table.skipped == 2


def test_positions_serve_files_without_a_header(tmp_path):
    path = write(tmp_path / "t.tsv", "x\t1\t\thello\ny\t0\t*\tworld\n")
    assert read(path, 3, 1, header=False, width=4) == [(1, ("hello", "1")), (2, ("world", "0"))]
    with pytest.raises(UserError, match=r"t\.tsv:1: expected 3 columns, found 4"):
        read(path, 0, header=False, width=3)


def test_csv_reads_what_the_csv_module_writes_and_counts_file_lines(tmp_path):
    rows = [("a,b", 'say "x"', "one\ntwo\n\nthree"), ("plain", "", "tab\t"), ("é", "ü", "漢")]
    out = io.StringIO()
    csv.writer(out).writerows([("p", "q", "r"), *rows])
    path = write(tmp_path / "t.csv", out.getvalue())
    assert read(path, "p", "q", "r") == [(2, rows[0]), (6, rows[1]), (7, rows[2])]


def test_csv_problems_name_the_line_where_the_row_begins(tmp_path):
    path = write(tmp_path / "t.csv", 'a,b\n"1\n2",x\n"open,y\nz,w\n')
    with pytest.raises(UserError, match=r"t\.csv:4: not valid CSV .*quote left open"):
        read(path, "a")
    path = write(tmp_path / "u.csv", 'a,b\n"1\n2",x\n1,2,3\n')
    with pytest.raises(UserError, match=r"u\.csv:4: expected 2 columns, found 3; a field"):
        read(path, "a")


def test_json_lines_take_text_and_numbers(tmp_path):
    text = '{"t": "a\\nb", "n": 3}\n{"n": 0.5, "t": "c", "more": null}\n{"t": 1, "n": true}\n'
    path = write(tmp_path / "t.jsonl", text)
    assert Table(path).columns == ("t", "n")
    assert read(path, "t", "n") == [(1, ("a\nb", "3")), (2, ("c", "0.5")), (3, ("1", "true"))]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{bad", "not valid JSON"),
        ("[1]", "expected one JSON object"),
        ('{"u": 1}', r"no key 't' \(keys: u\)"),
        ('{"t": null}', "'t' must be text or a finite number"),
        ('{"t": ["x"]}', "'t' must be text"),
        ('{"t": NaN}', "'t' must be text or a finite number"),
        ('{"t": "\\ud800"}', "'t' must be text"),
        ('{"t": "\\u0000"}', "'t' must be text"),
        ("[" * 100_000, "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_bad_json_lines_are_told_with_file_and_line(tmp_path, line, message):
    path = write(tmp_path / "t.jsonl", f'{{"t": "x"}}\n{line}\n{{"t": "y"}}\n')
    with pytest.raises(UserError, match=rf"t\.jsonl:2: {message}"):
        read(path, "t")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\nok\n\xff\xfe\n", r":3: not UTF-8 \(byte 0xff\)"),
        (b"a\nx\0y\n", ":2: holds a NUL byte"),
    ],
)
def test_what_is_not_utf8_text_is_told_with_file_and_line(tmp_path, data, message):
    with pytest.raises(UserError, match=message):
        read(write(tmp_path / "t.tsv", data), "a")


def test_every_problem_is_collected_on_request(tmp_path):
    found = []
    path = write(tmp_path / "t.tsv", b"a\tb\n1\t2\nx\n\xff\t1\n3\t4\n")
    rows = list(Table(path, on_problem=found.append).rows(["a"]))
    assert rows == [(2, ("1",)), (5, ("3",))]
    assert [problem.split(":")[1] for problem in found] == ["3", "4"]


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
@pytest.mark.parametrize("data", [b"", b"\n\r\n", b"\xef\xbb\xbf\n"])
def test_an_empty_file_is_an_error(tmp_path, suffix, data):
    with pytest.raises(UserError, match="the file is empty"):
        Table(write(tmp_path / f"t{suffix}", data))


def test_a_header_without_rows_is_an_error(tmp_path):
    with pytest.raises(UserError, match="no rows below the header"):
        read(write(tmp_path / "t.tsv", "a\tb\n"), "a")


def test_files_that_cannot_be_opened_are_errors(tmp_path):
    (tmp_path / "folder.tsv").mkdir()
    for name, message in [
        ("missing.tsv", "no such file"),
        ("folder.tsv", "cannot be read"),
        ("t.xlsx", r"unknown format; the name must end in \.tsv, "),
    ]:
        with pytest.raises(UserError, match=message):
            Table(tmp_path / name)


def test_a_missing_column_is_told_with_the_nearest_name(tmp_path):
    path = write(tmp_path / "t.tsv", "sentence1\tlabel\nx\t1\n")
    with pytest.raises(UserError, match=r"no column 'sentence'; did you mean 'sentence1'\? \(col"):
        read(path, "sentence")


def test_a_column_named_twice_cannot_be_chosen(tmp_path):
    path = write(tmp_path / "t.tsv", "a\ta\tb\n1\t2\t3\n")
    assert read(path, "b") == [(2, ("3",))]
    with pytest.raises(UserError, match="two columns are named 'a'"):
        read(path, "a")


def test_numbers_are_finite_and_fit_a_float32():
    assert [parse_number(text) for text in ("3", "-0.5", " 1e3 ")] == [3.0, -0.5, 1000.0]
    for text in ("", "abc", "nan", "inf", "-inf", "1e39", "1_000", "3,5"):
        assert parse_number(text) is None
