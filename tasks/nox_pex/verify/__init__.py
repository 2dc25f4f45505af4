"""The proof of a finished PEX: it is opened and judged as it lies there, whatever its build says about it."""
