"""Words of classes for captions, from a file that the test writes and from names of classes."""

import pytest

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.class_words import is_wordnet_id, read_class_words, words_of_classes


def test_lines_of_a_file(tmp_path):
    lines = "n01440764 tench, Tinca tinca\n\nn01443537\t goldfish \nant big red ant\n"
    (tmp_path / "classes.txt").write_text(lines, encoding="utf-8")
    assert read_class_words(tmp_path) == {
        "n01440764": "tench",
        "n01443537": "goldfish",
        "ant": "big red ant",
    }


def test_no_file(tmp_path):
    assert read_class_words(tmp_path) == {}


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (
            b"n01440764 tench\nn01443537\n",
            "line 2 of {}: it has no words for the class n01443537. Write",
        ),
        (
            b"\nn01440764 , Tinca tinca\n",
            "line 2 of {}: it has no words for the class n01440764. Write",
        ),
        (b"ant ant\nbee bee\nant wasp\n", "line 3 of {}: the class ant has a line already. Keep one"),
        (b"ant \xff\n", "the words of classes in {}: it can't be read ('utf-8' codec"),
    ],
    ids=["no words", "no words before the comma", "twice", "no UTF-8"],
)
def test_lines_that_can_not_be_used(tmp_path, content, found):
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_class_words(tmp_path)
    assert found.format(path) in str(caught.value)


def test_words_of_the_file_stand_before_names(tmp_path):
    (tmp_path / "classes.txt").write_text("n01440764 tench\nn01443537 goldfish\n")
    assert words_of_classes(["great_white", "n01440764"], tmp_path) == ["great white", "tench"]
    assert words_of_classes(["great_white", "ant"]) == ["great white", "ant"]


def test_wordnet_ids_without_words(tmp_path):
    with pytest.raises(InputError) as caught:
        words_of_classes(["ant", "n01440764", "n01443537"], tmp_path)
    assert "2 of them are WordNet ids without words (n01440764, n01443537)" in str(caught.value)
    assert f"Write {tmp_path / 'classes.txt'} with a line for each class, such as: n01440764" in str(
        caught.value
    )
    (tmp_path / "classes.txt").write_text("n01440764 tench\n")
    with pytest.raises(InputError, match=r"1 of them are WordNet ids without words \(n01443537\)"):
        words_of_classes(["ant", "n01440764", "n01443537"], tmp_path)
    with pytest.raises(InputError, match="Give a dataset whose classes have readable names"):
        words_of_classes(["n01440764"])


def test_a_file_of_other_classes(tmp_path):
    (tmp_path / "classes.txt").write_text("wasp a wasp\n")
    with pytest.raises(InputError, match=r"classes.txt has other classes \(wasp\)\. Begin each of its lines"):
        words_of_classes(["ant", "bee"], tmp_path)


def test_two_classes_of_the_same_words(tmp_path):
    (tmp_path / "classes.txt").write_text("n02012849 crane\nn03126707 crane\n")
    with pytest.raises(InputError) as caught:
        words_of_classes(["n02012849", "n03126707"], tmp_path)
    assert "n02012849 and n03126707 are both called crane" in str(caught.value)
    assert f"Give each class words of its own in {tmp_path / 'classes.txt'}" in str(caught.value)


def test_what_a_wordnet_id_is():
    assert [is_wordnet_id(name) for name in ("n01440764", "n0144076", "n014407641", "N01440764", "ant")] == [
        True,
        False,
        False,
        False,
        False,
    ]
