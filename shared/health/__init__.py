"""What of an installation works, what does not, and what to do about it.

``checking`` runs every probe at once, each with a deadline; ``probes`` is the thin edge that asks; ``partner_center``,
``state`` and ``set_up`` say what the answers mean and are pure; ``answer`` and ``page`` show the report.
"""
