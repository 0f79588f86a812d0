"""Every address of the studio."""

from django.urls import include, path

urlpatterns = [
    path("", include("studio.pages")),
    path("api/v1/", include("studio.api.urls")),
    path("v2/", include("builds.distribution.urls")),
    path("w/<slug:workspace>/", include("environments.urls")),
    path("w/<slug:workspace>/", include("builds.urls")),
]
