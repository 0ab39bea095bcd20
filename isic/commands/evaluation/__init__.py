"""From networks to scores and tables."""
