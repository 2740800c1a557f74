"""The paper's experiments and the measurements: one module a table or figure."""
