"""Named arrays without a graph -> the tensors of a network that the user names.

`assign` does it; `fit` says which of the named networks it could be.
"""
