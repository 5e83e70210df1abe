"""The output and the log messages of a fit."""

import logging
import re
import warnings

import pytest

from skcnn._utils._tensorflow import import_tensorflow

tf = import_tensorflow()


def test_fit_and_predict_print_nothing(few, tiny_cnn, capfd):
    estimator = tiny_cnn(epochs=1).fit(few.images, few.target)
    estimator.predict(few.images)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [1, 2, True])
def test_verbose_prints_epochs_and_loss(few, tiny_cnn, capfd, verbose):
    estimator = tiny_cnn(epochs=2, verbose=verbose).fit(few.images, few.target)
    printed = capfd.readouterr().out
    assert re.search(r"Epoch 1/2[\s\S]*5/5[\s\S]*Epoch 2/2[\s\S]*5/5", printed)
    assert f"{estimator.history_['loss'][-1]:.4f}" in printed


def test_many_fits_log_nothing(few, tiny_cnn):
    """TensorFlow warns if it detects that a function is traced repeatedly."""
    records = []
    handler = logging.Handler()
    handler.emit = records.append
    loggers = [tf.get_logger(), logging.getLogger("absl"), logging.getLogger()]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for n in range(12):
                estimator = tiny_cnn(epochs=1, batch_size=16 + n)
                estimator.fit(few.images[: 40 + n], few.target[: 40 + n])
                for rows in (1, 3, 10 + n):
                    estimator.predict(few.images[:rows])
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    assert [record.getMessage() for record in records] == []
