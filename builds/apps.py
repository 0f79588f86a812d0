from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class BuildsConfig(AppConfig):
    name = "builds"

    def ready(self) -> None:
        """Keep the triggers that report changes to pages: migrations may drop them."""
        from builds.live import triggers

        pre_migrate.connect(triggers.drop_triggers, sender=self, dispatch_uid="drop_live_triggers")
        post_migrate.connect(triggers.create_triggers, sender=self, dispatch_uid="create_live_triggers")
