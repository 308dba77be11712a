"""One module per Power Automate flow: triggers and bindings only. What they do is in ``shared``."""
