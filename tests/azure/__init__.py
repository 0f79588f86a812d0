"""The real Azure ML SDKs, in a virtual environment of their own, against a studio."""
