"""Pages of shared versions, and the settings of what a workspace opens."""
