"""The URLs of builds and images, below /w/<workspace>/."""

from django.urls import path

from builds.live import stream, workspace_stream
from builds.pages import clean_up, images, log, views
from environments.sections import in_section

app_name = "builds"
urlpatterns = [
    # /w/<workspace>/events/?since=<position>
    path("events/", workspace_stream.changes, name="changes"),
    # /w/<workspace>/builds/?state=failed&q=forecast&by=me&since=2026-11-01&cause=conflict&period=year&page=2
    path("builds/", in_section("builds", views.builds), name="builds"),
    # /w/<workspace>/builds/figures/?period=year&q=forecast&by=me&since=2026-11-01&until=2026-11-30
    path("builds/figures/", in_section("builds", views.figures), name="figures"),
    # /w/<workspace>/builds/<uuid>/?all
    path("builds/<uuid:build>/", in_section("builds", views.build), name="build"),
    # /w/<workspace>/builds/<uuid>/log.txt
    path("builds/<uuid:build>/log.txt", views.log, name="log"),
    # /w/<workspace>/builds/<uuid>/log/lines?from=1&to=5000
    path("builds/<uuid:build>/log/lines", log.lines, name="lines"),
    # /w/<workspace>/builds/<uuid>/log/search?q=numpy
    path("builds/<uuid:build>/log/search", log.search, name="search"),
    # /w/<workspace>/builds/<uuid>/stream?after=<cursor>
    path("builds/<uuid:build>/stream", stream.stream, name="stream"),
    # /w/<workspace>/builds/<uuid>/cancel
    path("builds/<uuid:build>/cancel", views.cancel, name="cancel"),
    # /w/<workspace>/builds/<uuid>/stop/
    path("builds/<uuid:build>/stop/", in_section("builds", views.stop), name="stop"),
    # /w/<workspace>/builds/<uuid>/retry
    path("builds/<uuid:build>/retry", views.retry, name="retry"),
    # /w/<workspace>/images/?q=forecast&only=replaced&sort=-size&page=2
    path("images/", in_section("images", images.images), name="images"),
    # /w/<workspace>/images/clean-up/?days=90&older=no
    path("images/clean-up/", in_section("images", clean_up.images), name="clean-up"),
    # /w/<workspace>/images/clean-up/store
    path("images/clean-up/store", clean_up.store, name="clean-store"),
    # /w/<workspace>/images/sha256:<64 digits>/
    path("images/<str:digest>/", in_section("images", images.image), name="image"),
    # /w/<workspace>/environments/<name>/versions/<version>/build
    path("environments/<word:name>/versions/<word:version>/build", views.start, name="start"),
    # /w/<workspace>/environments/<name>/versions/<version>/rebuild/
    path(
        "environments/<word:name>/versions/<word:version>/rebuild/",
        in_section("environments", views.rebuild),
        name="rebuild",
    ),
    # /w/<workspace>/environments/<name>/versions/<version>/rebuild/moves
    path("environments/<word:name>/versions/<word:version>/rebuild/moves", views.moves, name="moves"),
]
