"""Which files of a repository are read: text that a person writes. Everything else is passed over."""

from pathlib import PurePath

CODE_SUFFIXES = frozenset(
    [
        ".c",
        ".cfg",
        ".cpp",
        ".css",
        ".go",
        ".h",
        ".html",
        ".ini",
        ".java",
        ".js",
        ".json",
        ".jsx",
        ".kt",
        ".md",
        ".php",
        ".pl",
        ".py",
        ".r",
        ".rb",
        ".rs",
        ".rst",
        ".sh",
        ".sql",
        ".swift",
        ".toml",
        ".ts",
        ".tsx",
        ".txt",
        ".xml",
        ".yaml",
        ".yml",
    ]
)
EXTENSIONLESS_FILES = frozenset({"Makefile", "Dockerfile", "LICENSE", "README"})


def is_code(path: PurePath) -> bool:
    """Return whether a file is read, by its name."""
    return path.suffix.lower() in CODE_SUFFIXES or path.name in EXTENSIONLESS_FILES
