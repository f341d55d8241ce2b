"""What outlives the process: small ports, one durable implementation and one in memory."""
