"""A badge in software: for `say`, `check`, the tests and the benches."""
