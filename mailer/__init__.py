"""Acts: prove, issue, seal, deliver."""
