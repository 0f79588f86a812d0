"""Servers that tests start: PostgreSQL, Redis, RabbitMQ, Docker Engine, registries, Chromium."""
