"""The one graph core: every format's graph, in canonical operators, becomes a row of layers."""
