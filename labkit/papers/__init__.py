"""The papers, one file each, to be read from top to bottom: blocks, model, procedure, builders, recipes."""
