"""The files below a folder: each once, none from outside of it, and nothing left out without a word."""

import os
from dataclasses import dataclass, field
from pathlib import Path


def find_files(root: Path) -> tuple[list[Path], dict[Path, str]]:
    """List the files below a folder, and what there cannot be used.

    Links are followed as long as they stay inside `root`, which may be a link itself. A file that can be reached in
    several ways is listed once: by its own path, or by its first link where its own path is hidden. Hidden files and
    folders, whose names begin with a dot, are passed over.

    Args:
        root: the folder.

    Returns:
        The files, sorted; and for each link, folder or special file that cannot be used, what is wrong with it, as the
        end of a sentence that begins with its name. All paths begin with `root`.
    """
    found = _Found()
    folders = [root]
    while folders:
        found.list_folders(folders)
        # Links come after the folders, so that files are known by their own paths first.
        folders = found.follow_links(root)
    return sorted(found.files.values()), found.problems


def printable(path: Path) -> str:
    """Return a path as one line of text that any file can hold: names with other characters as Python writes them."""
    text = path.as_posix()
    return text if text.isprintable() else repr(text)


@dataclass
class _Found:
    """What was found so far: files by real path, real paths of listed folders, and links still to follow."""

    files: dict[str, Path] = field(default_factory=dict)
    problems: dict[Path, str] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    links: list[Path] = field(default_factory=list)

    def list_folders(self, folders: list[Path]) -> None:
        """List folders with all their subfolders."""
        remaining = list(reversed(folders))
        while remaining:
            folder = remaining.pop()
            real = os.path.realpath(folder)
            if real in self.listed:
                continue
            self.listed.add(real)
            try:
                entries = [entry for entry in os.scandir(folder) if not entry.name.startswith(".")]
            except OSError as error:
                self.problems[folder] = f"cannot be opened ({error.strerror})"
                continue
            for entry in entries:
                path = Path(entry.path)
                if entry.is_symlink():
                    self.links.append(path)
                elif entry.is_dir():
                    remaining.append(path)
                elif entry.is_file():
                    self.files.setdefault(str(Path(real, entry.name)), path)
                else:
                    self.problems[path] = "is neither a file nor a folder"

    def follow_links(self, root: Path) -> list[Path]:
        """Follow the links to files, and return those that lead to folders."""
        folders = []
        for link in sorted(self.links):
            try:
                target = Path(os.path.realpath(link, strict=True))
            except OSError as error:
                self.problems[link] = f"is a link that cannot be followed ({error.strerror})"
                continue
            if not target.is_relative_to(os.path.realpath(root)):
                self.problems[link] = f"is a link that leaves the folder {printable(root)}"
            elif target.is_dir():
                folders.append(link)
            elif target.is_file():
                self.files.setdefault(str(target), link)
            else:
                self.problems[link] = "is a link to neither a file nor a folder"
        self.links = []
        return folders
