"""Whatever comes in, the answer is one that is documented: a value, or one of the connector's own errors in words."""
