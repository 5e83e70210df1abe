"""Checkpoints on disk: the results of finished fits and the states of unfinished ones.

This subpackage stores the state of a fit under a fingerprint, which is a hash of
everything that determines the fit. It returns the latest state that any process has
stored under the same fingerprint. A state consists of arrays and plain Python values.
The subpackage therefore does not depend on networks, and imports only `_utils`.
"""
