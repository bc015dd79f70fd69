"""Auth files of the tools in the field: parse and render, pure, found by content."""
