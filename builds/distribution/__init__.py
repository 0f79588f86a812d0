"""The pull side of the OCI distribution API: `docker pull HOST/<workspace>/azureml/azureml_<hash>`."""
