"""One reader per module: a file format to a Recording."""
