"""Bytecode of Python modules: the interpreters that make it, and the processes that compile."""
