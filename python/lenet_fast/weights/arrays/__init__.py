"""A reader a format that holds arrays, named or in a row, and no graph."""
