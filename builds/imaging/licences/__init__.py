"""Licences of packages as SPDX expressions, read from their own metadata; what cannot be read is unknown."""

LONGEST = 400  # characters of an expression; an unknown licence is an empty text
