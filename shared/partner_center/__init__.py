"""Partner Center: the Referrals API, the webhook registration, and what proves that a webhook is Microsoft's."""
