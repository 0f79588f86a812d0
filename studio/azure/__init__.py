"""The addresses that the Azure ML SDKs call, so that unmodified clients work with the studio."""
