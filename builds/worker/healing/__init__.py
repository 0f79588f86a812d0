"""How environments are healed: planned in a worker, and followed until they are saved."""
