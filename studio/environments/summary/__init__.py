"""The first screen of an environment's page: its contents, its status and its buttons."""
