"""The page about a finished binary: everything that is known of it, as data and as HTML."""
