"""The addresses under /v2/, as the OCI distribution specification lays them out."""

from django.urls import path, re_path

from builds.distribution import views

app_name = "distribution"
urlpatterns = [
    # /v2/
    path("", views.version, name="version"),
    # /v2/token?service=…&scope=…
    path("token", views.token, name="token"),
    # A repository's name is <workspace>/<environment>, or <workspace>/azureml/azureml_<hash>.
    # /v2/<name>/manifests/<tag or digest>
    re_path(r"^(?P<name>.+)/manifests/(?P<reference>[^/]+)$", views.manifest, name="manifest"),
    # /v2/<name>/blobs/<digest>
    re_path(r"^(?P<name>.+)/blobs/(?P<digest>[^/]+)$", views.blob, name="blob"),
    # /v2/<name>/tags/list?n=…&last=…
    re_path(r"^(?P<name>.+)/tags/list$", views.tags, name="tags"),
    # /v2/<name>/referrers/<digest>?artifactType=…
    re_path(r"^(?P<name>.+)/referrers/(?P<digest>[^/]+)$", views.referrers, name="referrers"),
    # everything else: uploads, the catalogue of repositories, what clients try and do without
    re_path(r"", views.unsupported, name="unsupported"),
]
