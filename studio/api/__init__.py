"""The API, `/api/v1/`: what the pages do, for programs. It calls the same services and asks the same for access."""
