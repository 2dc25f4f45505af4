"""The parts of the pages that repeat the code: tables of settings, meanings of errors, JSON Schemas."""
