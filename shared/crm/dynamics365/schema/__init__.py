"""The set-up that an environment needs, declared in infra/dynamics365: compared with what is there, and installed."""
