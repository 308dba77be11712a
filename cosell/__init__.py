"""The command line for administrators: ``python -m cosell``. Imports the app; the app never imports it."""
