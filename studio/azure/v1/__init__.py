"""Environments, labels, builds and recipes as the first Azure ML SDK (`azureml-core`) sends and reads them."""
