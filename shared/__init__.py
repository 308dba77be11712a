"""The co-sell connector: everything behind the triggers in ``flows``."""
