from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created


class EnvironmentsConfig(AppConfig):
    name = "environments"

    def ready(self) -> None:
        """Have each connection to PostgreSQL made ready."""
        connection_created.connect(compile_no_queries, dispatch_uid="compile_no_queries")


def compile_no_queries(connection: Any, **_: Any) -> None:
    """Keep PostgreSQL from compiling queries: for those of pages that takes ten times as long as what it saves."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
