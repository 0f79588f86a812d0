"""The pages of base images in use and of rebases."""
