"""Checkpoints on disk: results of finished fits, and the state of unfinished ones.

This subpackage takes a fingerprint of everything that determines a fit and the state of
its training. It returns the latest state of the same fit, whichever process wrote it.
It imports only `_utils`, and does not depend on networks. A state consists of arrays
and plain Python values.
"""
