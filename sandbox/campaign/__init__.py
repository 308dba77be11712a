"""The fault campaign: many deals, many edits on both sides, and everything that can fail failing meanwhile."""
