"""The map of the passages: the directions in which they differ most, the same for the same vectors."""

import numpy as np
import pytest

from twin_assets.features.embedding_map import embedding_map, first_two_components


def test_the_components_are_those_of_largest_variance_in_order():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(200, 5)) * [0.1, 3.0, 0.1, 1.0, 0.1]
    places, shares = first_two_components(scores + 7)
    assert abs(np.corrcoef(places[:, 0], scores[:, 1])[0, 1]) == pytest.approx(1, abs=0.01)
    assert abs(np.corrcoef(places[:, 1], scores[:, 3])[0, 1]) == pytest.approx(1, abs=0.02)
    assert places.mean(axis=0) == pytest.approx([0, 0], abs=1e-9)
    variances = scores.var(axis=0)
    assert shares == pytest.approx([variances[1] / variances.sum(), variances[3] / variances.sum()], abs=0.02)


def test_the_map_does_not_depend_on_the_free_sign_of_a_component():
    vectors = np.random.default_rng(1).normal(size=(50, 4))
    places, _ = first_two_components(vectors)
    mirrored, _ = first_two_components(-vectors)
    assert mirrored == pytest.approx(-places)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_any_number_of_passages_can_be_drawn_and_equal_ones_give_equal_pictures(count):
    vectors = np.random.default_rng(2).normal(size=(count, 8)).tolist()
    categories = [("articles", "posts", "repositories")[place % 3] for place in range(count)]
    picture = embedding_map(vectors, categories)
    assert picture.startswith(b"\x89PNG")
    assert embedding_map(vectors, categories) == picture
    assert embedding_map(vectors, categories, theme="dark") != picture
