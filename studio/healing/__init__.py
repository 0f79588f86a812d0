"""The pages on which environments of a workspace are healed."""
