from datetime import UTC, datetime, timedelta


class FakeClock:
    """Stands still until it is told to pass."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 10, 20, 30, 123456, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)
