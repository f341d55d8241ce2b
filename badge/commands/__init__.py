"""The sub-commands of `python -m badge`, a module each; `badge/__main__.py` knows their names."""
