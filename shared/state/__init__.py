"""What the connector remembers, in Azure Storage: links with their locks, cursors, audit, run history, and queues."""
