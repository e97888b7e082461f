"""One payout API in front of many providers. This package knows no provider by name."""

__version__ = "0.1.0"
