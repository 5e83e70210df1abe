"""Checkpoints on disk: results of finished fits, and the state of unfinished ones.

It takes a fingerprint of everything that determines a fit and the state of its
training, and gives back the latest state of the same fit, whichever process wrote it.
It imports `_utils` only, and knows nothing about networks: a state is a list of arrays.
"""
