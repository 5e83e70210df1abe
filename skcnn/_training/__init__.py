"""Train one network and predict with it.

This subpackage takes a network and arrays of images and class indices, and returns the
trained network and its history. It reads data in chunks, shuffles them, runs epochs,
calls callbacks, stops training early, and writes and resumes checkpoints. It imports
`_utils`, `_network`, `_compiled` and `_checkpoint`.
"""
