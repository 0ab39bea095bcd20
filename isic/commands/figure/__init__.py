"""Pictures, a command each: `isic figure NAME`."""
