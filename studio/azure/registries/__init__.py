"""Registries, as azure-ai-ml reads them: the catalogue is `azureml`, and a workspace opened for sharing is of its name.

- `scopes`: which workspace a registry is, and the ids in it
- `views`: discovery; environments and versions, by the views of workspaces; signatures for uploads; share (`import`)
- `urls`
"""
