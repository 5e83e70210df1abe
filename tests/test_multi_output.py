"""Several labels per image with scikit-learn's MultiOutputClassifier."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.preprocessing import MultiLabelBinarizer


@pytest.fixture(scope="module")
def labels(few):
    """Return two columns of labels: the digit and whether it is odd."""
    return np.column_stack([few.target, few.target % 2])


@pytest.fixture(scope="module")
def several(few, labels, tiny_cnn):
    return MultiOutputClassifier(tiny_cnn(epochs=8)).fit(few.images, labels)


def test_one_network_for_each_column(few, labels, several, tiny_cnn):
    assert [c.tolist() for c in several.classes_] == [[0, 1, 2, 3], [0, 1]]
    predicted = several.predict(few.images)
    assert predicted.shape == (160, 2)
    assert np.mean(predicted == labels, axis=0).min() > 0.9
    for column, (estimator, proba) in enumerate(
        zip(several.estimators_, several.predict_proba(few.images), strict=True)
    ):
        assert estimator.image_shape_ == (8, 8, 1)
        alone = tiny_cnn(epochs=8).fit(few.images, labels[:, column])
        np.testing.assert_array_equal(alone.predict_proba(few.images), proba)


def test_score_counts_images_with_all_labels_right(few, labels, several):
    right = np.all(several.predict(few.images) == labels, axis=1)
    assert several.score(few.images, labels) == pytest.approx(right.mean())


def test_labels_of_any_type(few, labels, tiny_cnn):
    names = np.array(["zero", "one", "two", "three"])[few.target]
    kinds = np.where(labels[:, 1], "odd", "even")
    y = np.column_stack([names, kinds])
    several = MultiOutputClassifier(tiny_cnn(epochs=8)).fit(few.images, y)
    assert np.mean(several.predict(few.images) == y) > 0.9


def test_binarized_sets_of_labels(few, tiny_cnn):
    """The error message for several labels per image recommends this approach."""
    sets = [{"digit", "odd" if k % 2 else "even"} for k in few.target]
    for labels, k in zip(sets, few.target, strict=True):
        labels.update({"zero"} if k == 0 else set())
    binarizer = MultiLabelBinarizer()
    y = binarizer.fit_transform(sets)
    varied = np.ptp(y, axis=0) > 0  # a classifier needs two classes
    several = MultiOutputClassifier(tiny_cnn(epochs=8))
    several.fit(few.images, y[:, varied])
    assert np.mean(several.predict(few.images) == y[:, varied]) > 0.9


def test_column_with_one_class_only(few, tiny_cnn):
    y = np.column_stack([few.target, np.ones(160, int)])
    with pytest.raises(ValueError, match=r"y has one class only, \[1\]"):
        MultiOutputClassifier(tiny_cnn(epochs=1)).fit(few.images, y)


def test_weights_and_partial_fit(few, labels, tiny_cnn):
    several = MultiOutputClassifier(tiny_cnn())
    classes = [np.arange(4), np.arange(2)]
    weight = np.where(few.target == 3, 0.0, 1.0)
    for _ in range(2):
        several.partial_fit(few.images, labels, classes, sample_weight=weight)
    assert [e.n_epochs_ for e in several.estimators_] == [2, 2]
    assert not np.any(several.predict(few.images)[:, 0] == 3)


def test_search_and_cross_validation(few, labels, tiny_cnn):
    several = MultiOutputClassifier(tiny_cnn(epochs=3))
    predicted = cross_val_predict(several, few.images, labels, cv=2)
    assert predicted.shape == (160, 2)
    search = GridSearchCV(
        several, {"estimator__learning_rate": [1e-6, 1e-2]}, cv=2, error_score="raise"
    )
    search.fit(few.images, labels)
    assert search.best_params_ == {"estimator__learning_rate": 1e-2}


def test_chain_of_classifiers_takes_rows(few, labels, tiny_cnn):
    """A chain adds label columns to X, so it needs rows and images of any width."""
    chain = ClassifierChain(tiny_cnn(image_shape=(1, -1, 1), epochs=2))
    chain.fit(few.rows, labels)
    assert chain.predict(few.rows).shape == (160, 2)


def test_two_columns_without_the_wrapper_name_it(few, labels, tiny_cnn):
    with pytest.raises(ValueError, match="MultiOutputClassifier"):
        tiny_cnn().fit(few.images, labels)
