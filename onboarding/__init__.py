"""Claims: who says they are whom, and who decided."""
