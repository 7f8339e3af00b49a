"""Orange's .tab files, written by hand."""

import pytest

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.orange_tab import read_tab

HEADER = "Category\tText\nd\tstring\nclass\t\n"


@pytest.fixture
def write(tmp_path):
    def write(content, header=HEADER):
        path = tmp_path / "corpus.tab"
        path.write_bytes((header + content).encode())
        return path

    return write


def test_documents_and_their_classes(write):
    found = read_tab(write("\nship\ta boat sails\nearn\tprofits rose\r\nship\tharbour\n\t\n"))
    assert found.texts == ("a boat sails", "profits rose", "harbour")
    assert found.class_names == ("earn", "ship")
    assert found.labels.tolist() == [1, 0, 1]
    assert len(found) == 3


def test_quotes_as_in_csv(write):
    found = read_tab(write('a\t"says ""no"", twice"\nb\t"a\ttab and a\nbreak"\nb\tit\'s a 5" pipe\n'))
    assert found.texts == ('says "no", twice', "a\ttab and a\nbreak", "it's a 5\" pipe")


def test_columns_are_found_by_type_and_role_in_any_order(write):
    found = read_tab(write("one\tx\ntwo\ty\n", header="Text\tCategory\nstring\td\nmeta\tclass\n"))
    assert (found.texts, found.class_names) == (("one", "two"), ("x", "y"))


def test_a_document_longer_than_the_csv_module_allows_by_itself(write):
    text = "word " * 40_000
    assert read_tab(write(f"a\t{text}\n")).texts == (text,)


def test_labels_follow_the_classes_of_the_training_data(write):
    path = write("b\tx\n")
    assert read_tab(path, ("a", "b")).labels.tolist() == [1]
    with pytest.raises(InputError, match="it has classes that the training data has not: b"):
        read_tab(path, ("a",))


def test_some_of_the_documents(write):
    found = read_tab(write("a\tone\nb\ttwo\na\tthree\n"))
    import numpy as np

    part = found.rows(np.array([2, 1]))
    assert (part.texts, part.labels.tolist(), part.class_names) == (("three", "two"), [0, 1], ("a", "b"))


@pytest.mark.parametrize(
    ("header", "content", "found"),
    [
        ("Category\tText\n", "", "it has not the three header rows"),
        ("A\tB\nd\td\nclass\t\n", "x\ty\n", "1 class columns and 0 text columns"),
        ("A\tB\nd\tstring\n\t\n", "x\ty\n", "0 class columns and 1 text columns"),
        (HEADER, "a\tone\tmore\n", "line 4 has 3 cells, not 2"),
        (HEADER, "\tno class\n", "line 4 has no class"),
        (HEADER, 'a\t"never closed\n', "it can't be read (unexpected end of data)"),
    ],
)
def test_a_damaged_file_is_refused_with_its_line(write, header, content, found):
    with pytest.raises(InputError) as caught:
        read_tab(write(content, header))
    assert found in str(caught.value)
    assert "fetch it again" in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_tab(tmp_path / "none.tab")
