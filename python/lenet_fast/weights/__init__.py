"""Weights from any trainer: sniff the content, read arrays or a graph, map them to a network, check the outputs."""
