"""Questions about the records of channels: which are early enough, which are for GPUs."""
