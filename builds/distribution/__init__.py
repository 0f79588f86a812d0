"""The pull side of the OCI distribution API: `docker pull HOST/<workspace>/<environment>:<version>`.

An image also has a name by its hash, `HOST/<workspace>/azureml/azureml_<hash>`.
"""
