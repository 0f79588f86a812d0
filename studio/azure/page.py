"""The settings tab *Azure SDK*: what members need for the SDKs to send to this studio."""

from __future__ import annotations

import json

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from environments.access import Right, get_workspace
from environments.models import Workspace
from environments.public_url import base_url, secure_base_url
from environments.requests import StudioRequest
from environments.workspaces.settings_views import tab_url
from environments.workspaces.tabs import Tab, TabContext
from studio.azure.addresses import CLOUD, GROUP, SUBSCRIPTION, TENANT
from studio.https.authority import Files
from studio.https.serving import own_folder
from studio.https.variables import (
    Variable,
    own_authority_at,
    sdk_v1_variables,
    sdk_v2_variables,
    trust_variables,
)

AUTHORITY = "studio-authority.pem"

V2 = """\
import os

from azure.ai.ml import MLClient
from azure.identity import ClientSecretCredential

credential = ClientSecretCredential(
    {tenant},
    "studio",
    os.environ["STUDIO_TOKEN"],
    authority={base},
    disable_instance_discovery=True,
)
ml_client = MLClient.from_config(credential)
for environment in ml_client.environments.list():
    print(environment.name, environment.latest_version)
"""

V1 = """\
import os

from azure.identity import ClientSecretCredential
from azureml.core import Environment, Workspace
from azureml.core.authentication import TokenAuthentication

credential = ClientSecretCredential(
    {tenant},
    "studio",
    os.environ["STUDIO_TOKEN"],
    authority={base},
    disable_instance_discovery=True,
)


def token(audience):
    return credential.get_token({scope}).token


authentication = TokenAuthentication(token, cloud={cloud})
workspace = Workspace.from_config(auth=authentication)
for name in Environment.list(workspace):
    print(name)
"""


def azure_tab(request: StudioRequest, workspace: Workspace) -> TabContext:
    """Return the tab's context."""
    secure = secure_base_url(request)
    base = secure or base_url(request)
    trust = trust_variables(AUTHORITY) if own_authority_at(secure) else []
    texts = {"base": base, "tenant": TENANT, "cloud": CLOUD, "scope": f"{base}/.default"}
    names = {name: json.dumps(text) for name, text in texts.items()}
    return {
        "secure": secure,
        "authority": AUTHORITY if trust else "",
        "config": config(workspace),
        "config_path": ".azureml/config.json",
        "sdks": [
            ("sdk-v2", "SDK v2", "azure-ai-ml", commands(sdk_v2_variables(base), trust), V2.format(**names)),
            ("sdk-v1", "SDK v1", "azureml-core", commands(sdk_v1_variables(base), trust), V1.format(**names)),
        ],
    }


def commands(variables: list[Variable], trust: list[Variable]) -> str:
    """Return the commands that set the variables of an SDK, and the token."""
    return "".join(f"{variable.command}\n" for variable in (*variables, *trust)) + "export STUDIO_TOKEN=…\n"


def config(workspace: Workspace) -> str:
    """Return the file by which both SDKs know the workspace."""
    content = {"subscription_id": SUBSCRIPTION, "resource_group": GROUP, "workspace_name": workspace.name}
    return json.dumps(content, indent=2) + "\n"


@require_safe
@login_required
def config_file(request: StudioRequest, workspace: str) -> HttpResponse:
    """Send `.azureml/config.json` of a workspace."""
    workspace = get_workspace(request.user, workspace)
    return _download(config(workspace), "config.json", "application/json")


@require_safe
@login_required
def authority_file(request: StudioRequest, workspace: str) -> HttpResponse:
    """Send the certificate of the studio's own authority: it is public, its key stays."""
    workspace = get_workspace(request.user, workspace)
    file = Files(own_folder()).authority
    if not own_authority_at(secure_base_url(request)) or not file.is_file():
        messages.info(request, _("This studio has no certificate authority of its own."))
        return redirect(tab_url(workspace, "azure"))
    return _download(file.read_text(), AUTHORITY, "application/x-pem-file")


def _download(text: str, name: str, content_type: str) -> HttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type=content_type, headers=headers)


TAB = Tab(35, "azure", gettext_lazy("Azure SDK"), Right.SEE, "studio/_settings_azure.html", azure_tab)
