"""The proof that travels with the file: its bill of materials, statements about it, their signatures, the check."""
