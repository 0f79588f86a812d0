from typing import Any

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from environments.converters import register_converters


class EnvironmentsConfig(AppConfig):
    name = "environments"

    def ready(self) -> None:
        """Register the path converters and the settings' tabs, and configure each connection to PostgreSQL."""
        # Views need the models, which are loaded only now.
        from environments.notifications import views as notification_views
        from environments.workspaces import settings_views, uploads_views
        from environments.workspaces.tabs import register_tabs

        register_converters()
        register_tabs(*settings_views.TABS, uploads_views.TAB, notification_views.TAB)
        connection_created.connect(disable_jit, dispatch_uid="disable_jit")


def disable_jit(connection: Any, **_: Any) -> None:
    """Keep PostgreSQL from compiling queries: for those of pages it takes ten times as long as it saves."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET jit = off")
