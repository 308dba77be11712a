"""The run history: what an operator opens to see why each deal did or did not sync. It changes nothing."""
