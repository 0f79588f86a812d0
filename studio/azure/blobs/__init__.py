"""The blob store that the SDKs upload build contexts to: a container for each workspace.

- `signatures`: the signed queries that allow it, instead of a token
- `shared_key`: the key that the first SDK signs its requests with instead
- `containers`: the name of a workspace's container; what a `contextUri` leads to
- `secrets`: hand out signatures
- `reading`: length, checksum, metadata and lists of blocks of a request
- `answers`: headers and errors as clients of Azure's blob service read them
- `views`: receive files, blocks and metadata
"""
