"""Seeded, stratified choices."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitome.errors import InputError
from pitome.validate.evaluate.datasets.splits import first_of_shuffled, held_out, stratified_choice


@settings(deadline=None)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=80),
    share=st.floats(0, 1),
    seed=st.integers(0, 3),
)
def test_every_class_has_its_share_to_within_one(labels, share, seed):
    labels = np.array(labels)
    count = max(1, round(share * len(labels)))
    chosen = stratified_choice(labels, count, seed)
    assert len(set(chosen.tolist())) == count
    assert chosen.tolist() == sorted(chosen.tolist())
    for number in set(labels.tolist()):
        exact = (labels == number).sum() * count / len(labels)
        assert abs((labels[chosen] == number).sum() - exact) < 1


def test_held_out_parts_do_not_overlap_and_depend_on_the_seed():
    labels = np.arange(100) % 7
    fit, validation = held_out(labels, 60, 30, seed=0)
    assert not set(fit) & set(validation)
    assert (len(fit), len(validation)) == (60, 30)
    assert not np.array_equal(fit, held_out(labels, 60, 30, seed=1)[0])
    assert np.array_equal(fit, held_out(labels, 60, 30, seed=0)[0])


def test_the_first_of_a_seeded_permutation():
    few, more = first_of_shuffled(20, 5, 0), first_of_shuffled(20, 9, 0)
    assert len(set(few.tolist())) == 5
    assert more[:5].tolist() == few.tolist()
    assert first_of_shuffled(20, 5, 1).tolist() != few.tolist()
    assert first_of_shuffled(4, None, 0).tolist() == first_of_shuffled(4, 4, 0).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("count", [0, 4])
def test_a_choice_that_can_not_be_made(count):
    with pytest.raises(InputError, match=f"{count} samples: there are 3 to choose from"):
        stratified_choice(np.zeros(3, np.int64), count, 0)
