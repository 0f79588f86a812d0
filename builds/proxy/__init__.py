"""A forward proxy within the egress policy: the only way out for programs that a build starts. No Django."""
