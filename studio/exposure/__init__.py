"""The pages of exposure: the advisories that affect images, and the images that each affects."""
