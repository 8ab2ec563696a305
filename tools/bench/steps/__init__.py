"""The table of steps against the truth of simulated trials."""
