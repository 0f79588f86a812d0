"""What the first Azure ML SDK (`azureml-core`) sends and reads: environments, labels, builds and recipes."""
