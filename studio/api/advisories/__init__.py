"""The API of advisories and exposure."""
