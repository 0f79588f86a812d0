"""What is installed in an image's environment, read from its layers by a confined process."""
