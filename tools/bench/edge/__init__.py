"""The edge benchmark: small networks in eight bits."""
