"""The operations, a family per file; each file's ``__all__`` names those that are ``minidl``'s too."""
