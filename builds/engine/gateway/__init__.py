"""The network of code in containers: none but a port that leads to the worker's proxy.

A gateway is a container without network that listens on its own loopback. Containers that run code join it (Docker's
`container:` network), so they see that loopback and nothing else. What connects to its port is carried through the
engine's own connection (`builds/proxy/relay.py`) to a proxy in the worker. So it holds for an engine on another
machine too, needs no firewall, and nothing in these containers is secret.
"""
