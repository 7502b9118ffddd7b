"""A reader a graph format: parsing, and a table from its operators to canonical ones."""
