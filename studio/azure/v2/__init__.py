"""Environments as azure-ai-ml (SDK v2) sends and reads them."""
