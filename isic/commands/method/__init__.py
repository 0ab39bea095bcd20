"""The paper's own steps."""
