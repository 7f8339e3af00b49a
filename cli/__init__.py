"""The command line: composes the method, the export and the checks."""
