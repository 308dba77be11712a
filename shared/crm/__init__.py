"""The CRMs: what the sync needs of any of them (``port``), and one adapter each."""
