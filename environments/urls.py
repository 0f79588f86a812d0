"""The addresses of environments that show nothing of builds, below /w/<workspace>/."""

from django.urls import path

from environments import views

app_name = "environments"
urlpatterns = [
    # /w/<workspace>/compare/?a=<workspace>/<name>:<version>&b=<workspace>/<name>:<version>&format=json
    path("compare/", views.compare, name="compare"),
    # /w/<workspace>/activity/?page=2
    path("activity/", views.activity, name="activity"),
    # /w/<workspace>/environments/<name>/archive
    path("environments/<str:name>/archive", views.archive, name="archive"),
    # /w/<workspace>/environments/<name>/versions/<version>/describe
    path("environments/<str:name>/versions/<str:version>/describe", views.describe, name="describe"),
    # /w/<workspace>/environments/<name>/versions/<version>/archive
    path(
        "environments/<str:name>/versions/<str:version>/archive",
        views.archive_version,
        name="archive_version",
    ),
]
