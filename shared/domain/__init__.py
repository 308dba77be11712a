"""The pure core: values and decisions. No I/O, no clock, no environment; imports nothing of the project but itself."""
