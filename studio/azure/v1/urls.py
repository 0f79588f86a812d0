"""The URLs that the first SDK calls: `{EMS}` is /environment/v1.0 before a workspace's id, `{EMS2}` is v2.0."""

from studio.azure.addresses import ENVIRONMENT, VERSION, WORKSPACE, url
from studio.azure.protocol import nowhere, route
from studio.azure.v1 import views

UUID = r"[0-9a-fA-F-]{36}"
NOWHERE = route(GET=nowhere, POST=nowhere, PUT=nowhere, PATCH=nowhere, DELETE=nowhere, public=True)
V1, V2 = r"environment/v1\.0", r"environment/v2\.0"
urlpatterns = [
    # {EMS}/environments/?continuation=<token>
    url(rf"{V1}/{WORKSPACE}/environments/?", views.ENVIRONMENTS),
    # {EMS}/environments/<name>
    url(rf"{V1}/{ENVIRONMENT}", views.LATEST_VERSION),
    # {EMS}/environments/<name>/versions/<version>
    url(rf"{V1}/{VERSION}", views.ONE_VERSION),
    # {EMS}/environments/<name>/labels/<label>
    url(rf"{V1}/{ENVIRONMENT}/labels/(?P<label>[^/\0]+)", views.LABELLED),
    # {EMS}/environments/<name>/versions/<version>/metadata
    url(rf"{V1}/{VERSION}/metadata", views.METADATA),
    # {EMS}/environments/<name>/image
    url(rf"{V1}/{ENVIRONMENT}/image", views.IMAGE),
    # {EMS}/environments/<name>/versions/<version>/image
    url(rf"{V1}/{VERSION}/image", views.IMAGE),
    # {EMS}/environments/<name>/recipe
    url(rf"{V1}/{ENVIRONMENT}/recipe", views.RECIPE),
    # {EMS}/environments/<name>/versions/<version>/recipe
    url(rf"{V1}/{VERSION}/recipe", views.RECIPE),
    # {EMS2}/environments/<name>/image
    url(rf"{V2}/{ENVIRONMENT}/image", views.BUILD),
    # {EMS2}/environments/<name>/versions/<version>/image
    url(rf"{V2}/{VERSION}/image", views.BUILD),
    # {EMS2}/environments/<name>/imageoncompute/<compute>
    url(rf"{V2}/{ENVIRONMENT}/imageoncompute/(?P<compute>[^/\0]+)", views.BUILD_ON_COMPUTE),
    # {EMS2}/environments/<name>/versions/<version>/imageoncompute/<compute>
    url(rf"{V2}/{VERSION}/imageoncompute/(?P<compute>[^/\0]+)", views.BUILD_ON_COMPUTE),
    # {EMS2}/environments/<name>/versions/<version>/image/requests/<number>
    url(rf"{V2}/{VERSION}/image/requests/(?P<number>[0-9]{{1,18}})", views.STATUS),
    # {EMS2}/builds/<build>/log?sig=<signature>
    url(rf"{V2}/{WORKSPACE}/builds/(?P<build>{UUID})/log", views.LOG),
    # Everything else of these services
    url(r"environment/(?P<path>[\s\S]*)", NOWHERE),
]
