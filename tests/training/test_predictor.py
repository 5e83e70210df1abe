"""Prediction in a forked process."""

import os
import signal


def test_predict_in_forked_process_raises_instead_of_hanging(few, fitted_tiny):
    """The threads of TensorFlow do not exist in a forked process."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(120)  # kill the child if it hangs
        try:
            fitted_tiny.predict(few.images)
        except RuntimeError as error:
            os._exit("was forked" in str(error) and "loky" in str(error))
        finally:
            os._exit(2)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 1
