"""A selection of the SDKs' tests on PostgreSQL, RabbitMQ, Redis, several web processes and a worker of its own."""
