from django.apps import AppConfig
from django.db.models.signals import pre_migrate

from studio.migration_history import refuse_unknown_migrations


class StudioConfig(AppConfig):
    name = "studio"

    def ready(self) -> None:
        """Register the settings' tabs of the studio, and refuse databases of other versions."""
        pre_migrate.connect(refuse_unknown_migrations, sender=self, dispatch_uid="refuse_unknown_migrations")
        # Views need the models, which are loaded only now.
        from environments.workspaces.tabs import register_tabs
        from studio.azure import page as azure
        from studio.policies import settings as policies
        from studio.sharing import settings as sharing
        from studio.workspaces import limits, views

        register_tabs(limits.TAB, views.TAB, azure.TAB, sharing.TAB, policies.TAB)
