"""The outside world on one machine: simulators, a local host for the function app, storage, the demo.

Nothing here imports ``shared``: a simulator that shared the client's models would agree with its mistakes.
"""
