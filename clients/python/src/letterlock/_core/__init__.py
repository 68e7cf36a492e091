"""The Django-free cores of the project, the very files, under this package's name. Not a public interface."""
