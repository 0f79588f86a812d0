"""Projects as the standards describe them: pyproject.toml, script headers, setup.cfg, and what uv and pdm add to them."""
