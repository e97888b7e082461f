"""The provider plugins: pure translations between the gateway's words and one payout system's."""
